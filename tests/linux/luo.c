/*
 * The kernel's own live update: a memfd that a session of /dev/liveupdate
 * carries over a kexec.  Its interface is the kernel's
 * include/uapi/linux/liveupdate.h, which no C library's headers have yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define LUO_DEVICE      "/dev/liveupdate"
#define LUO_NAME        "lu-vm"
#define LUO_TOKEN       0x6c75u
#define LUO_BYTES       (16 * PAGE_BYTES)

/* CREATE_SESSION and RETRIEVE_SESSION */
typedef struct LuoSession {
    uint32_t size;
    int32_t fd;
    char name[64];
} LuoSession;

/* PRESERVE_FD and RETRIEVE_FD */
typedef struct LuoFile {
    uint32_t size;
    int32_t fd;
    uint64_t token;
} LuoFile;

typedef struct LuoFinish {
    uint32_t size;
    uint32_t reserved;
} LuoFinish;

#define LUO_CREATE_SESSION      _IO(0xba, 0x00)
#define LUO_RETRIEVE_SESSION    _IO(0xba, 0x01)
#define LUO_PRESERVE_FD         _IO(0xba, 0x40)
#define LUO_RETRIEVE_FD         _IO(0xba, 0x41)
#define LUO_FINISH              _IO(0xba, 0x42)

static uint8_t content(unsigned int at)
{
    return at * 7 + at / 251;
}

static int open_session(Guest *g, unsigned long request, const char *name)
{
    LuoSession arg = { .size = sizeof(arg), .name = LUO_NAME };
    int luo = open(LUO_DEVICE, O_RDWR | O_CLOEXEC);

    if (luo < 0) {
        return errno == ENOENT ?
               unsupported("live update: there is no " LUO_DEVICE
                           " (CONFIG_LIVEUPDATE)") :
               fail(LUO_DEVICE ": %s", strerror(errno));
    }
    if (ioctl(luo, request, &arg)) {
        return fail("%s: %s", name, strerror(errno));
    }
    close(luo);
    g->session = arg.fd;
    return 0;
}

/* The kernel's records do not tell what became of it. */
static void say_session(const char *moment)
{
    say("session at=%s name=" LUO_NAME " token=%u", moment, LUO_TOKEN);
}

static int put_file(Guest *g, int fd)
{
    LuoFile file = { .size = sizeof(file), .token = LUO_TOKEN, .fd = fd };
    int ret = open_session(g, LUO_CREATE_SESSION,
                           "LIVEUPDATE_IOCTL_CREATE_SESSION");

    if (!ret && ioctl(g->session, LUO_PRESERVE_FD, &file)) {
        ret = fail("LIVEUPDATE_SESSION_PRESERVE_FD: %s", strerror(errno));
    }
    if (!ret) {
        say_session("preserved");
    }
    return ret;
}

static int get_file(Guest *g, int *fd)
{
    LuoFile file = { .size = sizeof(file), .token = LUO_TOKEN };
    int ret = open_session(g, LUO_RETRIEVE_SESSION,
                           "LIVEUPDATE_IOCTL_RETRIEVE_SESSION");

    if (!ret && ioctl(g->session, LUO_RETRIEVE_FD, &file)) {
        ret = fail("LIVEUPDATE_SESSION_RETRIEVE_FD: %s", strerror(errno));
    }
    if (!ret) {
        say_session("retrieved");
    }
    *fd = file.fd;
    return ret;
}

static int finish(Guest *g)
{
    LuoFinish arg = { .size = sizeof(arg) };

    if (ioctl(g->session, LUO_FINISH, &arg)) {
        return fail("LIVEUPDATE_SESSION_FINISH: %s", strerror(errno));
    }
    say_session("finished");
    close(g->session);
    return 0;
}

static uint8_t *view(int fd, size_t size)
{
    uint8_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED) {
        fail("memfd: %s", strerror(errno));
        return NULL;
    }
    return at;
}

static uint8_t *new_memfd(size_t size, int *fd)
{
    *fd = memfd_create("lu-vm", MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, size)) {
        fail("memfd: %s", strerror(errno));
        return NULL;
    }
    return view(*fd, size);
}

int luo_preserve(Guest *g)
{
    int ret, fd;
    uint8_t *at = new_memfd(LUO_BYTES, &fd);
    unsigned int i;

    if (!at) {
        return -1;
    }
    for (i = 0; i < LUO_BYTES; i++) {
        at[i] = content(i);
    }
    munmap(at, LUO_BYTES);
    ret = put_file(g, fd);
    close(fd);
    return ret;
}

int luo_check(Guest *g)
{
    unsigned int i, wrong = 0;
    const uint8_t *at;
    int fd, ret = get_file(g, &fd);

    if (ret) {
        return ret;
    }
    at = view(fd, LUO_BYTES);
    if (!at) {
        return -1;
    }
    for (i = 0; i < LUO_BYTES; i++) {
        wrong += at[i] != content(i);
    }
    if (finish(g)) {
        return -1;
    }
    say("luo at=end bytes=%u wrong=%u", LUO_BYTES, wrong);
    return 0;
}

int luo_ring_new(Guest *g)
{
    g->buffer = new_memfd(BUFFER_BYTES, &g->memfd);
    if (!g->buffer) {
        return -1;
    }
    memset(g->buffer, 0, BUFFER_BYTES);
    return 0;
}

int luo_ring_preserve(Guest *g)
{
    return put_file(g, g->memfd);
}

int luo_ring_retrieve(Guest *g)
{
    int ret = get_file(g, &g->memfd);

    if (!ret) {
        g->buffer = view(g->memfd, BUFFER_BYTES);
    }
    return ret ? ret : g->buffer ? 0 : -1;
}

int luo_ring_finish(Guest *g)
{
    return finish(g);
}
