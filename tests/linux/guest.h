/*
 * lu-vm's program in the guest: what its files share.
 *
 * The same static program is /init of both kernels.  The kernel command line
 * says which part it plays: lu.case= names the scenario and lu.stage= the
 * kernel it finds itself in; further words choose variants.  All it has to say
 * goes to the kernel log, one line per fact, behind the mark "lu-guest:", for
 * lu-vm to read: a word, then name=value for each number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_LINUX_GUEST_H
#define LU_LINUX_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What memory is counted in, whatever the kernel's pages are: page_bytes(). */
#define PAGE_BYTES      4096u

/*
 * The ring that the engine fills: one transfer a millisecond, so that more
 * than a minute of transfers, hence the whole blackout, stays readable.
 */
#define SLOT_BYTES      32u
#define RING_PAGES      512u
#define RING_BYTES      (RING_PAGES * PAGE_BYTES)
#define RING_SLOTS      (RING_BYTES / SLOT_BYTES)
#define RING_PERIOD_NS  1000000u
#define RING_SEED       0x6c752d6c696e7578ull

/*
 * Above all RAM, so that an access that is not translated lands nowhere, and
 * one page off a 2 MiB boundary, so that the mapping has real leaf tables.
 */
#define RING_IOVA       (0x400000000ull + page_bytes())

/* More than the ring: the physical address of each page of it. */
#define BUFFER_BYTES    (RING_BYTES + page_bytes())

typedef struct Guest Guest;

/* A way to VFIO; each function returns 0, or fail(). */
typedef struct VfioWay {
    const char *name;
    /* Open Guest.space and Guest.device. */
    int (*open)(Guest *g);
    /* The device translates with what is mapped; NULL if it does already. */
    int (*attach)(Guest *g);
    int (*map)(Guest *g, void *at, uint64_t iova, uint64_t size);
    /* NULL if there is no way to map a memfd without its mapping. */
    int (*map_file)(Guest *g, int fd, uint64_t iova, uint64_t size);
    int (*unmap)(Guest *g, uint64_t iova, uint64_t size);
} VfioWay;

struct Guest {
    char cmdline[2048];         /* of the running kernel */
    char bdf[32];               /* the engine, as sysfs names it */
    uint8_t *bar;               /* its registers */
    const VfioWay *way;         /* to VFIO, in the first kernel */
    int device;                 /* the engine's VFIO file, likewise */
    int space;                  /* what mappings belong to: see VfioWay */
    uint32_t ioas;              /* with iommufd: the address space in it */
    uint32_t dev_id;            /* and the device */
    uint8_t *buffer;            /* ring and page list, in the first kernel */
    uint64_t list_pa;           /* where the page list is in RAM */
    int ctl;                    /* configuration space of lu-ctl */
    unsigned int ctl_cap;       /* its capability there */
    char ctl_bdf[32];           /* as sysfs names it */
    int session;                /* LUO session */
    int memfd;                  /* what it carries: the ring */
};

/* A way to read a page of the ring: 0, or -1 with errno set. */
typedef int RingReader(Guest *g, unsigned int page, void *to);

/*
 * log.c: to the kernel log.  fail() also returns -1, for the caller to return,
 * and unsupported(), which says what the kernel does not offer, 1.
 */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int unsupported(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* system.c: small matters of Linux; -1 with errno set on error */
int mount_all(void);
int load_modules(const Guest *g, const char *dir);
int read_file(const char *path, char *to, size_t size);
int write_file(const char *path, const char *text);
/* The value of key=, as a string in @to; empty if there is none. */
const char *cmdline_word(const Guest *g, const char *key, char *to,
                         size_t size);
uint64_t cmdline_hex(const Guest *g, const char *key);
bool cmdline_has(const Guest *g, const char *key);
uint64_t physical(const void *at);
/* Of the kernel's pages: PAGE_BYTES, or on arm64 4 or 16 times as much */
unsigned int page_bytes(void);
void sleep_ms(unsigned int ms);

/* pci.c: the function with these ids as sysfs names it; false if none has */
bool pci_find(unsigned int vendor, unsigned int device, char *bdf,
              size_t size);

/* claim.c: steps that announce the handoff */
int claim_find(Guest *g);
/* One operation with ADDR: 0, or fail() with @name. */
int claim_ring_addr(Guest *g, const char *name, uint32_t op, uint64_t addr);
int claim_freeze(Guest *g);
int claim_crash(Guest *g);
int claim_boot(Guest *g);
int claim_finish(Guest *g);
/* What lu-ctl lists, {address, length} each: volatile, for the device writes */
typedef const volatile uint64_t List;
/* Where; NULL after fail(). */
List *claim_list(Guest *g);
/* The token of the engine's stream, which nobody chose, is the one meant. */
int claim_by_stream(Guest *g);
/* The claim has ended, and nobody says what was freed. */
int claim_finish_unseen(Guest *g);
/* A page of it is in use; or, with a length of 0, none is. */
int claim_leaked(Guest *g, uint64_t addr, uint64_t len);

/* vfio.c: steps that give the engine to this program and map the buffer */
int vfio_bind(Guest *g);
int vfio_unbind(Guest *g);
int vfio_open(Guest *g);
int vfio_close(Guest *g);
int vfio_map(Guest *g);
int vfio_map_file(Guest *g);
int vfio_bus_master(Guest *g);

/* type1.c, iommufd.c: the ways to VFIO; whether the kernel has the second */
extern const VfioWay vfio_type1;
extern const VfioWay vfio_iommufd;
bool iommufd_offered(const Guest *g);

/* load.c: map, use and unmap memory many times */
int load_run(Guest *g);

/* luo.c: a memfd that the kernel is to carry over */
int luo_preserve(Guest *g);
int luo_check(Guest *g);
/* The ring is such a memfd, which DMA goes on to write. */
int luo_ring_new(Guest *g);
int luo_ring_preserve(Guest *g);
int luo_ring_retrieve(Guest *g);
int luo_ring_finish(Guest *g);

/* promise.c: the kernel is told to let the engine go on over the kexec */
int promise_make(Guest *g);
int promise_kept(Guest *g);

/* leaks.c: a step that ends the claim, and finds its tables not freed */
int leaks_report(Guest *g);

/* kho.c: what the kernel shows of its preserved memory, and what lu-ctl does */
int kho_compare(Guest *g);

/* engine.c: steps of the engine */
int engine_find(Guest *g);
int engine_map_resource(Guest *g);
int engine_start(Guest *g);
int engine_stop(Guest *g);
int engine_clear_gap(Guest *g);
int engine_counters(Guest *g, const char *when);
/* With what attributes the last transfer reached memory. */
int engine_attrs(Guest *g);
uint64_t engine_seq(const Guest *g);
/*
 * One transfer of channel 1: @len bytes of sequence number @seq to @iova.
 * True if it was done without an error.
 */
bool engine_fill(Guest *g, uint64_t iova, uint32_t len, uint64_t seq);

/* ring.c: look for missing sequence numbers */
int ring_check(Guest *g, const char *when, const char *source,
               RingReader *reader);
int ring_spoil(Guest *g);
int ring_read_mapped(Guest *g, unsigned int page, void *to);
int ring_read_vmcore(Guest *g, unsigned int page, void *to);

#define SECOND_KERNEL "/second/kernel"
#define SECOND_INITRD "/second/initrd"
#define SECOND_APPEND "/second/append"

/* load-*.c: load the second kernel by hand, with kexec_load(2) */
int load_by_hand(const char *cmdline, bool on_crash);

/* kexec.c: steps towards the second kernel */
int kexec_load(Guest *g, bool on_crash);
/* fail(): what errno means of a system call that loads a kernel */
int kexec_refused(const char *call);
int kexec_crash(Guest *g);
int kexec_jump(Guest *g);
int power_off(Guest *g);

#endif
