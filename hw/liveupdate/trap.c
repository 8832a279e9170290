/*
 * Traps on pages of RAM.
 *
 * Each is an object of its own, owner of its region: what is still using an
 * old map of memory keeps it alive.  The store itself goes through an address
 * space that is the RAM block alone, so that QEMU drops translated code and
 * sets dirty bits as for any store.  That lasts as long as any trap that is
 * still in use, and the RAM with it; where RAM is unplugged the traps go too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "exec/target_page.h"
#include "exec/translation-block.h"
#include "hw/core/cpu.h"
#include "system/address-spaces.h"
#include "system/tcg.h"
#include "tcg/insn-start-words.h"
#include "hw/liveupdate/trap.h"

#define TYPE_LU_TRAP "lu-trap"
OBJECT_DECLARE_SIMPLE_TYPE(LuTrap, LU_TRAP)

#define TRAP_PRIORITY 10000         /* in front of all that machines map */

/*
 * A RAM block alone.  It does not begin at 0, for QEMU would take the block
 * itself for the root then, at the address it has elsewhere.
 */
#define BEHIND_BASE LU_TRAP_BYTES

#define TYPE_LU_BEHIND "lu-behind-traps"
OBJECT_DECLARE_SIMPLE_TYPE(Behind, LU_BEHIND)

struct Behind {
    Object parent_obj;

    AddressSpace *as;
    MemoryRegion root, ram;
    MemoryRegion *block;
    unsigned traps;                 /* not finalized; BQL */
};

struct LuTrap {
    Object parent_obj;

    MemoryRegion io;
    hwaddr pa;
    Behind *behind;
    hwaddr offset;                  /* of the page in the block */
};

static struct {
    GHashTable *traps;              /* LuTrap by its address */
    GHashTable *behind;             /* Behind by MemoryRegion */
    MemoryListener listener;
    bool any;
    LuTrapFn *fn;
    void *opaque;
} all;

/* ------------------------------------------------------------------ */
/* Accesses                                                           */

/*
 * The program counter is not in the CPU's state while translated code runs.
 * It is looked up without touching that state, which a CPU that goes on must
 * not find changed.
 */
static bool find_pc(CPUState *cpu, uint64_t *pc)
{
#ifdef CONFIG_TCG
    uint64_t data[INSN_START_WORDS];

    if (tcg_enabled() && cpu_unwind_state_data(cpu, cpu->mem_io_pc, data)) {
        *pc = data[0];
        if (tcg_cflags_has(cpu, CF_PCREL)) {
            /* Translated code knows its place in the page. */
            *pc |= cpu->cc->get_pc(cpu) & (vaddr)qemu_target_page_mask();
        }
        return true;
    }
#endif
    return false;
}

static LuStore store_by(MemTxAttrs attrs)
{
    CPUState *cpu = attrs.unspecified || attrs.requester_id ? NULL
                                                            : current_cpu;
    LuStore store = { .cpu = cpu ? cpu->cpu_index : -1 };

    store.has_pc = cpu && find_pc(cpu, &store.pc);
    return store;
}

static uint64_t word_at(const LuTrap *t, hwaddr at)
{
    return address_space_ldq_le(t->behind->as, BEHIND_BASE + t->offset + at,
                                MEMTXATTRS_UNSPECIFIED, NULL);
}

static MemTxResult trap_read(void *opaque, hwaddr addr, uint64_t *val,
                             unsigned size, MemTxAttrs attrs)
{
    const LuTrap *t = opaque;

    *val = 0;
    return address_space_read(t->behind->as, BEHIND_BASE + t->offset + addr,
                              MEMTXATTRS_UNSPECIFIED, val, size);
}

/* In one piece, as other CPUs and the walker see it. */
static MemTxResult store_behind(const LuTrap *t, hwaddr addr, uint64_t val,
                                unsigned size)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    hwaddr at = BEHIND_BASE + t->offset + addr;
    AddressSpace *as = t->behind->as;
    MemTxResult res = MEMTX_OK;

    switch (size) {
    case 1:
        address_space_stb(as, at, val, attrs, &res);
        break;
    case 2:
        address_space_stw_le(as, at, val, attrs, &res);
        break;
    case 4:
        address_space_stl_le(as, at, val, attrs, &res);
        break;
    default:
        address_space_stq_le(as, at, val, attrs, &res);
        break;
    }
    return res;
}

static MemTxResult trap_write(void *opaque, hwaddr addr, uint64_t val,
                              unsigned size, MemTxAttrs attrs)
{
    const LuTrap *t = opaque;
    hwaddr first = addr & ~7ull, last = (addr + size - 1) & ~7ull;
    uint64_t old[2] = { word_at(t, first), word_at(t, last) };
    MemTxResult res = store_behind(t, addr, val, size);
    LuStore store = store_by(attrs);

    for (hwaddr at = first; at <= last; at += 8) {
        store.pa = t->pa + at;
        store.old = old[at != first];
        store.new = word_at(t, at);
        if (store.old != store.new) {
            all.fn(all.opaque, &store);
        }
    }
    return res;
}

static const MemoryRegionOps trap_ops = {
    .read_with_attrs = trap_read,
    .write_with_attrs = trap_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

/* ------------------------------------------------------------------ */
/* The set                                                            */

static Behind *behind_of(MemoryRegion *ram)
{
    Behind *b = g_hash_table_lookup(all.behind, ram);

    if (!b) {
        b = LU_BEHIND(object_new(TYPE_LU_BEHIND));
        b->block = ram;
        memory_region_init(&b->root, OBJECT(b), "root", UINT64_MAX);
        memory_region_init_alias(&b->ram, OBJECT(b), "ram", ram, 0,
                                 memory_region_size(ram));
        memory_region_add_subregion(&b->root, BEHIND_BASE, &b->ram);
        b->as = g_new0(AddressSpace, 1);
        address_space_init(b->as, &b->root, TYPE_LU_BEHIND);
        g_hash_table_insert(all.behind, ram, b);
    }
    b->traps++;
    return b;
}

/* Nothing uses one of its traps any more.  BQL held. */
static void leave_behind(void *opaque)
{
    Behind *b = opaque;

    if (!--b->traps) {
        g_hash_table_remove(all.behind, b->block);
        memory_region_del_subregion(&b->root, &b->ram);
        address_space_destroy_free(b->as);
        object_unref(OBJECT(b));
    }
}

/* In any thread, which may have no BQL. */
static void trap_finalize(Object *obj)
{
    aio_bh_schedule_oneshot(qemu_get_aio_context(), leave_behind,
                            LU_TRAP(obj)->behind);
}

static void add(hwaddr pa)
{
    MemoryRegionSection s = memory_region_find(get_system_memory(), pa,
                                               LU_TRAP_BYTES);
    LuTrap *t;

    if (!s.mr) {
        return;
    }
    if (memory_region_is_ram(s.mr) && !memory_region_is_ram_device(s.mr) &&
        !s.readonly && s.offset_within_address_space == pa &&
        int128_get64(s.size) == LU_TRAP_BYTES) {
        t = LU_TRAP(object_new(TYPE_LU_TRAP));
        t->pa = pa;
        t->behind = behind_of(s.mr);
        t->offset = s.offset_within_region;
        memory_region_init_io(&t->io, OBJECT(t), &trap_ops, t, "lu-trap",
                              LU_TRAP_BYTES);
        memory_region_enable_lockless_io(&t->io);
        memory_region_add_subregion_overlap(get_system_memory(), pa, &t->io,
                                            TRAP_PRIORITY);
        g_hash_table_insert(all.traps, &t->pa, t);
    }
    memory_region_unref(s.mr);
}

static void drop(gpointer p)
{
    LuTrap *t = p;

    memory_region_del_subregion(get_system_memory(), &t->io);
    object_unref(OBJECT(t));
}

/* Apart from our own alias there is no way to it: it was unplugged. */
static gboolean is_unplugged(gpointer key, gpointer value, gpointer opaque)
{
    const MemoryRegion *block = ((const LuTrap *)value)->behind->block;

    return !block->container && block->mapped_via_alias <= 1;
}

static void drop_unplugged(void *opaque)
{
    memory_region_transaction_begin();
    g_hash_table_foreach_remove(all.traps, is_unplugged, NULL);
    memory_region_transaction_commit();
    qatomic_set(&all.any, g_hash_table_size(all.traps));
}

/* MemoryListener.commit: the map cannot be changed again just now. */
static void map_changed(MemoryListener *listener)
{
    if (g_hash_table_find(all.traps, is_unplugged, NULL)) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), drop_unplugged, NULL);
    }
}

static gboolean is_unwanted(gpointer key, gpointer value, gpointer wanted)
{
    return !g_hash_table_contains(wanted, key);
}

void lu_trap_set(const hwaddr *pa, unsigned n, LuTrapFn *fn, void *opaque)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new(g_int64_hash,
                                                    g_int64_equal);

    if (!all.traps) {
        if (!n) {
            return;
        }
        all.traps = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                          drop);
        all.behind = g_hash_table_new(NULL, NULL);
        all.listener = (MemoryListener) {
            .name = "lu-trap", .commit = map_changed,
        };
        memory_listener_register(&all.listener, &address_space_memory);
    }
    all.fn = fn;
    all.opaque = opaque;
    for (unsigned i = 0; i < n; i++) {
        g_hash_table_add(wanted, (gpointer)&pa[i]);
    }
    memory_region_transaction_begin();
    g_hash_table_foreach_remove(all.traps, is_unwanted, wanted);
    for (unsigned i = 0; i < n; i++) {
        if (g_hash_table_size(all.traps) < LU_TRAP_PAGES_MAX &&
            !g_hash_table_contains(all.traps, &pa[i])) {
            add(pa[i]);
        }
    }
    /* Who is told of the new map looks behind the traps in it. */
    qatomic_set(&all.any, true);
    memory_region_transaction_commit();
    qatomic_set(&all.any, g_hash_table_size(all.traps));
}

bool lu_trap_any(void)
{
    return qatomic_read(&all.any);
}

static const LuTrap *trap_of(MemoryRegion *mr)
{
    Object *owner = lu_trap_any() ? memory_region_owner(mr) : NULL;

    return owner ? (LuTrap *)object_dynamic_cast(owner, TYPE_LU_TRAP) : NULL;
}

AddressSpace *lu_trap_behind(MemoryRegion *mr, hwaddr *offset)
{
    const LuTrap *t = trap_of(mr);

    if (!t) {
        return NULL;
    }
    *offset += BEHIND_BASE + t->offset;
    return t->behind->as;
}

bool lu_trap_only_ram(AddressSpace *as, hwaddr addr, hwaddr len, bool is_write)
{
    RCU_READ_LOCK_GUARD();
    while (len) {
        hwaddr offset, some = len;
        MemoryRegion *mr = address_space_translate(as, addr, &offset, &some,
                                                   is_write,
                                                   MEMTXATTRS_UNSPECIFIED);

        if (!memory_region_is_ram(mr) && !trap_of(mr)) {
            return false;
        }
        addr += some;
        len -= some;
    }
    return true;
}

MemoryRegion *lu_trap_ram(MemoryRegion *mr, hwaddr *offset)
{
    const LuTrap *t = trap_of(mr);

    if (!t) {
        return NULL;
    }
    *offset += t->offset;
    return t->behind->block;
}

static const TypeInfo lu_trap_types[] = {
    {
        .name = TYPE_LU_TRAP,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(LuTrap),
        .instance_finalize = trap_finalize,
    }, {
        .name = TYPE_LU_BEHIND,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Behind),
    },
};

DEFINE_TYPES(lu_trap_types)
