// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "runtime.h"
#include "topology.h"

static int axl_rack_base(char *out, size_t capacity)
{
	const char *own = getenv("AXL_RUNTIME_DIR");
	const char *run = getenv("XDG_RUNTIME_DIR");
	int length;

	if (own && *own)
		length = snprintf(out, capacity, "%s", own);
	else if (run && *run)
		length = snprintf(out, capacity, "%s/axl", run);
	else
		length = snprintf(out, capacity, "/tmp/axl-%u", (unsigned int)geteuid());
	if (length < 0 || (size_t)length >= capacity)
		return axl_fail(-ENAMETOOLONG, "the runtime folder's name is too long");
	return 0;
}

int axl_rack_open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat dir;

	if (fd < 0)
		return axl_fail(errno == ENOENT ? -ENODEV : -errno,
				"rack folder %.200s: %s; start the rack with `accel-rack up`", path,
				strerror(errno));
	if (fstat(fd, &dir) == 0 && dir.st_uid == geteuid() && !(dir.st_mode & 022))
		return fd;
	close(fd);
	return axl_fail(-EACCES,
			"rack folder %.200s is not yours or others can write to it; remove "
			"it and start the rack again",
			path);
}

/* The supervisor holds a lock on the file pid as long as it lives. */
static bool axl_rack_is_alive(int dir_fd)
{
	int fd = openat(dir_fd, "pid", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool alive;

	if (fd < 0)
		return false;
	alive = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return alive;
}

static void axl_rack_describe(const struct axl_topology_endpoint *endpoint, const char *place,
			      struct axl_endpoint_info *info)
{
	*info = (struct axl_endpoint_info){
		.board_serial = endpoint->serial,
		.endpoint_index = endpoint->index,
		.endpoint_count = endpoint->count,
		.bdf = endpoint->bdf,
		.slot = endpoint->slot,
		.backend = AXL_BACKEND_RACK,
		.path_depth = endpoint->path_depth,
		.memory_bytes = endpoint->bar2_bytes,
		.memory_address = endpoint->bar2,
	};
	memcpy(info->path, endpoint->path, sizeof(info->path));
	axl_endpoint_set_id(info);
	/* A folder too deep for the field is left out; the endpoint's id still finds it. */
	if ((size_t)snprintf(info->uri, sizeof(info->uri), "rack:%s#%s", place, info->id) >=
	    sizeof(info->uri))
		snprintf(info->uri, sizeof(info->uri), "%s", info->id);
}

static int axl_rack_add(const char *path, const char *place, int dir_fd,
			struct axl_found_list *list)
{
	struct axl_topology topology;
	int status = axl_topology_read(&topology, dir_fd);

	if (status)
		return axl_fail_in(status, "rack folder %.200s", path);
	for (uint32_t i = 0; !status && i < topology.endpoint_count; i++) {
		struct axl_found found = { .backend = &axl_rack_backend, .where = strdup(path) };

		if (!found.where) {
			status = axl_fail(-ENOMEM, "no memory for the list of endpoints");
			break;
		}
		axl_rack_describe(&topology.endpoints[i], place, &found.info);
		status = axl_found_list_add(list, &found);
	}
	axl_topology_deinit(&topology);
	return status;
}

/* One rack that must be there. */
static int axl_rack_list_one(const char *path, const char *place, struct axl_found_list *list)
{
	int dir_fd = axl_rack_open_dir(path);
	int status;

	if (dir_fd < 0)
		return dir_fd;
	if (axl_rack_is_alive(dir_fd))
		status = axl_rack_add(path, place, dir_fd, list);
	else
		status = axl_fail(-ENODEV,
				  "the rack of %.200s is not running; start it with "
				  "`accel-rack up`",
				  path);
	close(dir_fd);
	return status;
}

/* Every rack that runs; folders that are no running rack are passed over. */
static int axl_rack_list_all(const char *base, DIR *folder, struct axl_found_list *list)
{
	char path[PATH_MAX];
	struct dirent *entry;
	size_t racks = 0;

	while ((entry = readdir(folder))) {
		int dir_fd, status;

		if (entry->d_name[0] == '.' || (size_t)snprintf(path, sizeof(path), "%s/%s", base,
								entry->d_name) >= sizeof(path))
			continue;
		dir_fd = axl_rack_open_dir(path);
		if (dir_fd < 0)
			continue;
		status = 0;
		if (axl_rack_is_alive(dir_fd)) {
			racks++;
			status = axl_rack_add(path, entry->d_name, dir_fd, list);
		}
		close(dir_fd);
		if (status)
			return status;
	}
	if (!racks)
		return axl_fail(-ENODEV,
				"no kernel driver and no running rack in %.200s; start "
				"one with `accel-rack up`",
				base);
	return 0;
}

int axl_rack_list(const char *place, struct axl_found_list *list)
{
	char base[PATH_MAX / 2], path[PATH_MAX];
	DIR *folder;
	int status;

	if (place && strchr(place, '/'))
		return axl_rack_list_one(place, place, list);
	status = axl_rack_base(base, sizeof(base));
	if (status)
		return status;
	if (place && (place[0] == '.' || strlen(place) > NAME_MAX))
		return axl_fail(-EINVAL, "\"%.80s\" cannot be the name of a rack", place);
	if (place) {
		snprintf(path, sizeof(path), "%s/%.*s", base, NAME_MAX, place);
		return axl_rack_list_one(path, place, list);
	}
	folder = opendir(base);
	if (!folder)
		return axl_fail(-ENODEV,
				"no kernel driver and no rack (%.200s: %s); start one "
				"with `accel-rack up`",
				base, strerror(errno));
	status = axl_rack_list_all(base, folder, list);
	closedir(folder);
	return status;
}
