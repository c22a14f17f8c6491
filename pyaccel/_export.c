/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * pyaccel._export.Exporter: memory that is not Python's, offered through the buffer
 * protocol. Python classes cannot implement that protocol before 3.12, hence these
 * lines of C. A view holds a reference to the exporter and the exporter counts its
 * views, so memory is never unmapped under one. Needs the GIL for all its fields.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>

struct exporter {
	PyObject ob_base; /* what PyObject_HEAD stands for */
	void *address; /* NULL: nothing to offer (not attached, detached, a peer's) */
	Py_ssize_t nbytes;
	Py_ssize_t views; /* live Py_buffers */
	int notify; /* call self._unviewed() when the last view goes */
};

static int exporter_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
	struct exporter *exporter = (struct exporter *)self;

	if (!exporter->address) {
		view->obj = NULL;
		PyErr_SetString(PyExc_BufferError,
				"this buffer has no memory that the CPU can reach: it is closed, "
				"or it belongs to a peer (read it on its own device)");
		return -1;
	}
	if (PyBuffer_FillInfo(view, self, exporter->address, exporter->nbytes, 0, flags) < 0)
		return -1;
	exporter->views++;
	return 0;
}

/* Views end anywhere, also while an exception is on its way: keep that one. */
static void exporter_unviewed(PyObject *self)
{
	PyObject *type, *value, *traceback, *result;

	PyErr_Fetch(&type, &value, &traceback);
	result = PyObject_CallMethod(self, "_unviewed", NULL);
	if (result)
		Py_DECREF(result);
	else
		PyErr_WriteUnraisable(self);
	PyErr_Restore(type, value, traceback);
}

static void exporter_releasebuffer(PyObject *self, Py_buffer *view)
{
	struct exporter *exporter = (struct exporter *)self;

	(void)view;
	if (--exporter->views || !exporter->notify)
		return;
	exporter->notify = 0;
	exporter_unviewed(self);
}

static PyObject *exporter_attach(PyObject *self, PyObject *args)
{
	struct exporter *exporter = (struct exporter *)self;
	unsigned long long address;
	Py_ssize_t nbytes;

	if (!PyArg_ParseTuple(args, "Kn:_attach", &address, &nbytes))
		return NULL;
	if (exporter->views || nbytes < 0) {
		PyErr_SetString(PyExc_BufferError, "views are alive or the size is negative");
		return NULL;
	}
	exporter->address = (void *)(uintptr_t)address;
	exporter->nbytes = nbytes;
	Py_RETURN_NONE;
}

static PyObject *exporter_detach(PyObject *self, PyObject *unused)
{
	struct exporter *exporter = (struct exporter *)self;

	(void)unused;
	if (exporter->views)
		return PyErr_Format(
			PyExc_BufferError,
			"%zd view(s) of this buffer are alive (memoryview, NumPy array, "
			"DLPack): delete them or copy them first",
			exporter->views);
	exporter->address = NULL;
	Py_RETURN_NONE;
}

static PyObject *exporter_notify(PyObject *self, PyObject *unused)
{
	(void)unused;
	((struct exporter *)self)->notify = 1;
	Py_RETURN_NONE;
}

static PyObject *exporter_views(PyObject *self, void *unused)
{
	(void)unused;
	return PyLong_FromSsize_t(((struct exporter *)self)->views);
}

static PyMethodDef exporter_methods[] = {
	{"_attach",  exporter_attach, METH_VARARGS,
	  "_attach(address, nbytes): offer this memory."		 },
	{ "_detach", exporter_detach, METH_NOARGS,
	  "Offer nothing from now on; BufferError while views are alive."},
	{ "_notify", exporter_notify, METH_NOARGS,
	  "Call self._unviewed() once when the last view goes."		},
	{ NULL,	NULL,	      0,		 NULL		      },
};

static PyGetSetDef exporter_getset[] = {
	{"views", exporter_views, NULL, "Live views of this memory.", NULL},
	{ NULL,	NULL,	      NULL, NULL,			  NULL},
};

static PyType_Slot exporter_slots[] = {
	{Py_tp_doc,	     "Memory of an accelerator, offered through the buffer protocol."},
	{ Py_tp_methods,	 exporter_methods						},
	{ Py_tp_getset,	exporter_getset						 },
	{ Py_bf_getbuffer,	   exporter_getbuffer					      },
	{ Py_bf_releasebuffer, exporter_releasebuffer					      },
	{ 0,		   NULL							    },
};

static PyType_Spec exporter_spec = {
	.name = "pyaccel._export.Exporter",
	.basicsize = sizeof(struct exporter),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.slots = exporter_slots,
};

static int export_exec(PyObject *module)
{
	PyObject *type = PyType_FromModuleAndSpec(module, &exporter_spec, NULL);
	int error;

	if (!type)
		return -1;
	error = PyModule_AddObjectRef(module, "Exporter", type);
	Py_DECREF(type);
	return error;
}

static PyModuleDef_Slot export_slots[] = {
	{Py_mod_exec, export_exec},
	{ 0,	     NULL	  },
};

static struct PyModuleDef export_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "pyaccel._export",
	.m_slots = export_slots,
};

PyMODINIT_FUNC PyInit__export(void);
PyMODINIT_FUNC PyInit__export(void)
{
	return PyModuleDef_Init(&export_module);
}
