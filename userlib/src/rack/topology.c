// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "../parse.h"
#include "topology.h"

#define AXL_MAX_WORDS 48

struct axl_word {
	const char *key;
	const char *value;
};

/* One line, cut into its words. */
struct axl_line {
	unsigned int number;
	const char *kind;
	unsigned int count;
	struct axl_word words[AXL_MAX_WORDS];
};

/* --- keys of a line ------------------------------------------------------------- */

static int axl_line_error(const struct axl_line *line, const char *key, const char *what)
{
	return axl_fail(-EPROTO, "topology file, line %u: %s %s; restart the rack", line->number,
			key, what);
}

static const char *axl_line_find(const struct axl_line *line, const char *key)
{
	for (unsigned int i = 0; i < line->count; i++) {
		if (!strcmp(line->words[i].key, key))
			return line->words[i].value;
	}
	return NULL;
}

static int axl_line_number(const struct axl_line *line, const char *key, uint64_t max,
			   uint64_t *value_out)
{
	const char *value = axl_line_find(line, key);

	if (!value)
		return axl_line_error(line, key, "is missing");
	if (axl_parse_number(value, max, value_out))
		return axl_line_error(line, key, "is no number in range");
	return 0;
}

static int axl_line_u32(const struct axl_line *line, const char *key, uint32_t max,
			uint32_t *value_out)
{
	uint64_t value = 0;
	int status = axl_line_number(line, key, max, &value);

	if (!status)
		*value_out = (uint32_t)value;
	return status;
}

/* "-" stands for a slot that has no number. */
static int axl_line_slot(const struct axl_line *line, uint32_t *slot_out)
{
	const char *value = axl_line_find(line, "slot");

	*slot_out = AXL_SLOT_UNKNOWN;
	if (!value || !strcmp(value, "-"))
		return 0;
	return axl_line_u32(line, "slot", AXL_SLOT_UNKNOWN - 1, slot_out);
}

static int axl_line_bdf(const struct axl_line *line, const char *key, uint32_t *bdf_out)
{
	const char *value = axl_line_find(line, key);

	if (!value)
		return axl_line_error(line, key, "is missing");
	if (axl_parse_bdf(value, bdf_out))
		return axl_line_error(line, key, "is no segment:bus:device.function");
	return 0;
}

/* A plain file name, so that it cannot leave the rack's folder. */
static int axl_line_file(const struct axl_line *line, const char *key, char *out, size_t capacity)
{
	const char *value = axl_line_find(line, key);

	if (!value || !*value)
		return axl_line_error(line, key, "is missing");
	if (strlen(value) >= capacity || strchr(value, '/') || value[0] == '.')
		return axl_line_error(line, key, "is no plain file name");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

/* --- lines ---------------------------------------------------------------------- */

static bool axl_topology_has_port(const struct axl_topology *topology, uint32_t bdf)
{
	for (uint32_t i = 0; i < topology->port_count; i++) {
		if (topology->ports[i] == bdf)
			return true;
	}
	return false;
}

static int axl_line_path(const struct axl_topology *topology, const struct axl_line *line,
			 struct axl_topology_endpoint *endpoint)
{
	const char *value = axl_line_find(line, "path");
	char text[16];

	if (!value)
		return axl_line_error(line, "path", "is missing");
	while (*value) {
		size_t length = strcspn(value, ",");
		uint32_t *bdf = &endpoint->path[endpoint->path_depth];

		if (endpoint->path_depth == AXL_MAX_PATH || length >= sizeof(text))
			return axl_line_error(line, "path", "is too long");
		memcpy(text, value, length);
		text[length] = '\0';
		if (axl_parse_bdf(text, bdf) || !axl_topology_has_port(topology, *bdf))
			return axl_line_error(line, "path", "names no port of this file");
		endpoint->path_depth++;
		value += length + (value[length] == ',');
	}
	return endpoint->path_depth ? 0 : axl_line_error(line, "path", "is empty");
}

static int axl_topology_add_endpoint(struct axl_topology *topology, const struct axl_line *line)
{
	struct axl_topology_endpoint *endpoint = &topology->endpoints[topology->endpoint_count];
	int status;

	if (topology->endpoint_count == AXL_TOPOLOGY_MAX_ENDPOINTS)
		return axl_line_error(line, "endpoint", "is one too many");
	memset(endpoint, 0, sizeof(*endpoint));
	if ((status = axl_line_bdf(line, "bdf", &endpoint->bdf)) ||
	    (status = axl_line_number(line, "serial", UINT64_MAX, &endpoint->serial)) ||
	    (status = axl_line_u32(line, "index", 255, &endpoint->index)) ||
	    (status = axl_line_u32(line, "count", 255, &endpoint->count)) ||
	    (status = axl_line_u32(line, "speed", 15, &endpoint->link_speed)) ||
	    (status = axl_line_u32(line, "width", 63, &endpoint->link_width)) ||
	    (status = axl_line_number(line, "bar2", UINT64_MAX, &endpoint->bar2)) ||
	    (status = axl_line_number(line, "bar2_bytes", UINT64_MAX, &endpoint->bar2_bytes)) ||
	    (status = axl_line_slot(line, &endpoint->slot)) ||
	    (status = axl_line_file(line, "socket", endpoint->socket, sizeof(endpoint->socket))) ||
	    (status = axl_line_path(topology, line, endpoint)))
		return status;
	topology->endpoint_count++;
	return 0;
}

static int axl_topology_add_port(struct axl_topology *topology, const struct axl_line *line)
{
	if (topology->port_count == AXL_TOPOLOGY_MAX_PORTS)
		return axl_line_error(line, "port", "is one too many");
	return axl_line_bdf(line, "bdf", &topology->ports[topology->port_count++]);
}

static int axl_topology_set_rack(struct axl_topology *topology, const struct axl_line *line)
{
	if (topology->rack[0])
		return axl_line_error(line, "rack", "is given twice");
	if (axl_line_file(line, "name", topology->rack, sizeof(topology->rack)))
		return -EPROTO;
	return axl_line_u32(line, "generation", UINT32_MAX, &topology->generation);
}

static int axl_line_add_word(struct axl_line *line, char *word)
{
	char *equals = strchr(word, '=');

	if (!equals || equals == word)
		return axl_line_error(line, word, "is not key=value");
	if (line->count == AXL_MAX_WORDS)
		return axl_line_error(line, word, "is one key too many");
	*equals = '\0';
	if (axl_line_find(line, word))
		return axl_line_error(line, word, "is given twice");
	line->words[line->count++] = (struct axl_word){ word, equals + 1 };
	return 0;
}

static int axl_topology_add_line(struct axl_topology *topology, unsigned int number, char *text)
{
	struct axl_line line = { .number = number };
	char *rest = text;
	char *word;

	line.kind = strsep(&rest, " ");
	while ((word = strsep(&rest, " "))) {
		if (axl_line_add_word(&line, word))
			return -EPROTO;
	}
	if (!strcmp(line.kind, "rack"))
		return axl_topology_set_rack(topology, &line);
	if (!strcmp(line.kind, "port"))
		return axl_topology_add_port(topology, &line);
	if (!strcmp(line.kind, "endpoint"))
		return axl_topology_add_endpoint(topology, &line);
	return axl_line_error(&line, line.kind, "is an unknown kind of line");
}

/* --- file ------------------------------------------------------------------------ */

static int axl_topology_parse(struct axl_topology *topology, char *text)
{
	unsigned int number = 1;
	char *rest = text;
	size_t length = strlen(text);
	char *line;

	if (length == 0 || text[length - 1] != '\n')
		return axl_fail(-EPROTO, "topology file: cut short; restart the rack");
	text[length - 1] = '\0';
	if (strcmp(strsep(&rest, "\n"), "axl-topology 1"))
		return axl_fail(-EPROTO, "topology file: line 1 is not \"axl-topology 1\"; the "
					 "rack is of another version");
	while ((line = strsep(&rest, "\n"))) {
		int status = axl_topology_add_line(topology, ++number, line);

		if (status)
			return status;
	}
	if (!topology->rack[0])
		return axl_fail(-EPROTO, "topology file: no rack line; restart the rack");
	return 0;
}

int axl_topology_init(struct axl_topology *topology, char *text)
{
	int status;

	memset(topology, 0, sizeof(*topology));
	topology->ports = calloc(AXL_TOPOLOGY_MAX_PORTS, sizeof(*topology->ports));
	topology->endpoints = calloc(AXL_TOPOLOGY_MAX_ENDPOINTS, sizeof(*topology->endpoints));
	if (!topology->ports || !topology->endpoints)
		status = axl_fail(-ENOMEM, "no memory for the topology file");
	else
		status = axl_topology_parse(topology, text);
	if (status)
		axl_topology_deinit(topology);
	return status;
}

void axl_topology_deinit(struct axl_topology *topology)
{
	free(topology->ports);
	free(topology->endpoints);
	memset(topology, 0, sizeof(*topology));
}

/* All of fd, NUL-terminated; NULL with a message. */
static char *axl_read_text(int fd)
{
	struct stat file;
	size_t done = 0, bytes;
	char *text;

	if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode) ||
	    file.st_size > (off_t)AXL_TOPOLOGY_MAX_BYTES) {
		axl_fail(-EPROTO, "topology file: no regular file of at most 1 MiB");
		return NULL;
	}
	bytes = (size_t)file.st_size;
	text = malloc(bytes + 1);
	while (text && done < bytes) {
		ssize_t got = read(fd, text + done, bytes - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	if (!text || done < bytes || memchr(text, '\0', done)) {
		free(text);
		axl_fail(-EPROTO, "topology file: cannot be read as text");
		return NULL;
	}
	text[done] = '\0';
	return text;
}

int axl_topology_read(struct axl_topology *topology, int dir_fd)
{
	int fd = openat(dir_fd, "topology", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	int status;

	if (fd < 0)
		return axl_fail(-errno, "topology file: %s", strerror(errno));
	text = axl_read_text(fd);
	close(fd);
	if (!text)
		return -EPROTO;
	status = axl_topology_init(topology, text);
	free(text);
	return status;
}
