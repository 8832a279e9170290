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

int luo_preserve(Guest *g)
{
    LuoFile file = { .size = sizeof(file), .token = LUO_TOKEN };
    int ret = open_session(g, LUO_CREATE_SESSION,
                           "LIVEUPDATE_IOCTL_CREATE_SESSION");
    uint8_t *at;
    unsigned int i;

    if (ret) {
        return ret;
    }
    file.fd = memfd_create("lu-vm", MFD_CLOEXEC);
    if (file.fd < 0 || ftruncate(file.fd, LUO_BYTES)) {
        return fail("memfd: %s", strerror(errno));
    }
    at = mmap(NULL, LUO_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
    if (at == MAP_FAILED) {
        return fail("memfd: %s", strerror(errno));
    }
    for (i = 0; i < LUO_BYTES; i++) {
        at[i] = content(i);
    }
    munmap(at, LUO_BYTES);
    if (ioctl(g->session, LUO_PRESERVE_FD, &file)) {
        return fail("LIVEUPDATE_SESSION_PRESERVE_FD: %s", strerror(errno));
    }
    close(file.fd);
    return 0;
}

int luo_check(Guest *g)
{
    LuoFile file = { .size = sizeof(file), .token = LUO_TOKEN };
    LuoFinish finish = { .size = sizeof(finish) };
    int ret = open_session(g, LUO_RETRIEVE_SESSION,
                           "LIVEUPDATE_IOCTL_RETRIEVE_SESSION");
    unsigned int i, wrong = 0;
    const uint8_t *at;

    if (ret) {
        return ret;
    }
    if (ioctl(g->session, LUO_RETRIEVE_FD, &file)) {
        return fail("LIVEUPDATE_SESSION_RETRIEVE_FD: %s", strerror(errno));
    }
    at = mmap(NULL, LUO_BYTES, PROT_READ, MAP_SHARED, file.fd, 0);
    if (at == MAP_FAILED) {
        return fail("memfd: %s", strerror(errno));
    }
    for (i = 0; i < LUO_BYTES; i++) {
        wrong += at[i] != content(i);
    }
    if (ioctl(g->session, LUO_FINISH, &finish)) {
        return fail("LIVEUPDATE_SESSION_FINISH: %s", strerror(errno));
    }
    say("luo at=end bytes=%u wrong=%u", LUO_BYTES, wrong);
    return 0;
}
