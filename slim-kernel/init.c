// SPDX-License-Identifier: Apache-2.0
// The first program of the slim kernel, in its built-in initramfs: puts the two halves of the image together, as its
// initrd does, and starts systemd. The kernel has set up /usr on verity by then (dm-mod.create= on its command line, see
// tools/vm/slim.py), so that what is mounted here as /usr is checked block for block or not read.
//
// Built with the kernel's own nolibc, statically. Whatever fails ends the machine with a sentence, by a panic.
#include "nolibc.h"

#define ROOT_LABEL "PARTNAME=jepa-root\n"
#define USR "/dev/mapper/usr"
#define SYSTEMD "/usr/lib/systemd/systemd"

static void must(int result, const char *what)
{
	if (result < 0) {
		printf("slim kernel: %s: error %d\n", what, errno);
		exit(1);
	}
}

// Whether the file `path`, of a few lines, has `line` in it.
static int has_line(const char *path, const char *line)
{
	char text[1024];
	int file = open(path, O_RDONLY);
	ssize_t size;

	if (file < 0)
		return 0;
	size = read(file, text, sizeof(text) - 1);
	close(file);
	if (size < 0)
		return 0;
	text[size] = '\0';
	return strstr(text, line) != NULL;
}

// Put the device of the partition with the root into `device`; its label is what the kernel says in /sys.
static void find_root(char *device, size_t size)
{
	DIR *blocks = opendir("/sys/class/block");
	struct dirent entry, *found;
	char path[300];

	while (blocks && !readdir_r(blocks, &entry, &found) && found) {
		snprintf(path, sizeof(path), "/sys/class/block/%s/uevent", found->d_name);
		if (has_line(path, ROOT_LABEL)) {
			snprintf(device, size, "/dev/%s", found->d_name);
			closedir(blocks);
			return;
		}
	}
	errno = ENOENT;
	must(-1, "no partition is called jepa-root");
}

int main(int count, char **arguments, char **environment)
{
	char root[300];

	(void)count;
	must(mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, NULL), "mount /dev");
	must(mount("sysfs", "/sys", "sysfs", 0, NULL), "mount /sys");
	find_root(root, sizeof(root));
	must(umount2("/sys", 0), "unmount /sys");

	// the name by which the shipped initrd mounts it; the directory is there with the device mapper's own node
	must(symlink("../dm-0", USR), "name /usr's device");

	must(mount(root, "/sysroot", "ext4", MS_RELATIME, NULL), "mount the root");
	must(mount(USR, "/sysroot/usr", "erofs", MS_RDONLY, NULL), "mount /usr");
	must(mount("/dev", "/sysroot/dev", NULL, MS_MOVE, NULL), "move /dev");
	must(chdir("/sysroot"), "go to the root");
	must(mount(".", "/", NULL, MS_MOVE, NULL), "move the root");
	must(chroot("."), "make it the root");

	arguments[0] = SYSTEMD;
	must(execve(SYSTEMD, arguments, environment), "start " SYSTEMD);
	return 1;
}
