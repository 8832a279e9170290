/*
 * intel-iommu-lu among others: devices behind bridges, interrupt remapping,
 * saved machines, and guests that mean no good.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-vtd-machine.h"
#include "hw/liveupdate/lu-notified-regs.h"
#include "qobject/qjson.h"

#define DID             7
#define PAGE            0x1000ull

static const Setup legacy = { "intremap=on", false, UNTRANSLATED, 4, 1 };
static const Setup second = { SS_DEV, true, SECOND, 4, 1 };

/* Bridges */

#define BRIDGE_SLOT     6
#define BUS             0x42
#define PRIMARY_BUS     0x18
#define SECONDARY_BUS   0x19
#define SUBORDINATE_BUS 0x1a
#define MEMORY_BASE     0x20

typedef struct Behind {
    const char *name, *bridge;
    const Setup *setup;
    unsigned slot;
    uint8_t rid;                /* in its bus, as the unit sees it */
} Behind;

static const Behind behinds[] = {
    { "root-port/legacy", "pcie-root-port", &legacy, 0, 0 },
    { "root-port/scalable", "pcie-root-port", &second, 0, 0 },
    /* Of all behind it the bridge makes requests of one. */
    { "alias/legacy", "pcie-pci-bridge", &legacy, 3, 0 },
    { "alias/scalable", "pcie-pci-bridge", &second, 3, 0 },
};

static void set_bus(Machine *m, uint8_t bus)
{
    QPCIDevice *bridge = qpci_device_find(m->bus, QPCI_DEVFN(BRIDGE_SLOT, 0));

    qpci_config_writeb(bridge, PRIMARY_BUS, 0);
    qpci_config_writeb(bridge, SECONDARY_BUS, bus);
    qpci_config_writeb(bridge, SUBORDINATE_BUS, bus);
    /* 0xe0000000 to 0xe7ffffff, where BARs are. */
    qpci_config_writel(bridge, MEMORY_BASE, 0xe7f0e000);
    qpci_device_enable(bridge);
    g_free(bridge);
}

/* The tables of a machine, below the root entry of @bus only. */
static void build_bus(Machine *m, const Setup *s, uint8_t bus)
{
    uint16_t rid = m->rid;

    m->rid &= 0xff;
    (s->scalable ? build_scalable : build_legacy)(m, s);
    m->rid = rid;
    put(m, ROOT, 0);
    put(m, ROOT + bus * 16, CONTEXT | 1);
}

static Machine *start_behind(const Behind *b)
{
    const Setup *s = b->setup;
    Machine *m = g_new0(Machine, 1);

    m->qts = qtest_initf("-machine q35 -nodefaults "
                         "-device intel-iommu-lu,tlb=strict,%s "
                         "-device %s,id=br,addr=%d "
                         "-device lu-dma,bus=br,addr=%d",
                         s->options, b->bridge, BRIDGE_SLOT, b->slot);
    m->wide = s->scalable;
    m->bus = qpci_new_pc(m->qts, NULL);
    set_bus(m, BUS);
    m->rid = BUS << 8 | b->rid;
    m->dma = qpci_device_find(m->bus, BUS << 8 | QPCI_DEVFN(b->slot, 0));
    g_assert_nonnull(m->dma);
    qpci_device_enable(m->dma);
    m->bar = qpci_iomap(m->dma, LU_DMA_BAR_REGS, NULL);

    build_path(m, s);
    build_bus(m, s, BUS);
    set_reg64(m, RTADDR, ROOT | (s->scalable ? SCALABLE : 0));
    set_reg(m, GCMD, SRTP);
    set_reg(m, GCMD, TE);
    return m;
}

static void context_device(Machine *m, uint16_t rid)
{
    queue_start(m);
    queue_put(m, (Desc) { 1 | 3 << 4 | DID << 16 | (uint64_t)rid << 32 });
    if (m->wide) {
        queue_put(m, (Desc) PC_GLOBAL);
    }
    queue_put(m, (Desc) IOTLB_GLOBAL);
    queue_sync(m);
    queue_stop(m);
}

static void test_behind(const void *data)
{
    const Behind *b = data;
    const Setup *s = b->setup;
    Machine *m = start_behind(b);
    uint64_t iova = iova_of(s);
    uint64_t entry = CONTEXT + b->rid * (s->scalable ? 32 : 16);

    check_lands(m, iova, DATA, NO_PASID);
    put(m, entry, qtest_readq(m->qts, entry) & ~1ull);
    check_lands(m, iova, DATA, NO_PASID);
    context_device(m, m->rid ^ 1);
    check_lands(m, iova, DATA, NO_PASID);
    context_device(m, m->rid);
    g_assert_false(do_access(m, true, iova, NO_PASID, 0));
    check_fault(m, s->scalable ? 0x41 : 0x02, true, iova, NO_PASID);
    stop(m);
}

/* A guest that numbers its buses anew has another requester there. */
static void test_renumbered(void)
{
    const Behind *b = &behinds[0];
    Machine *m = start_behind(b);
    uint64_t iova = iova_of(b->setup);

    check_lands(m, iova, DATA, NO_PASID);
    set_bus(m, BUS + 1);
    m->rid += 1 << 8;
    g_assert_false(do_access(m, true, iova, NO_PASID, 0));
    check_fault(m, 0x01, true, iova, NO_PASID);
    put(m, ROOT + (BUS + 1) * 16, CONTEXT | 1);
    check_lands(m, iova, DATA, NO_PASID);
    stop(m);
}

/* Interrupt remapping, which is the parent's: a message through an entry */

#define IRTE            (IR_TABLE + 16)
#define   SVT_ALL       BIT_ULL(18)
#define   VECTOR        (0x40 << 16)

typedef struct Message {
    const char *name;
    uint64_t lo, hi;
    unsigned reason;            /* 0: it is delivered */
} Message;

static const Message messages[] = {
    { "delivered", VECTOR | 1, SVT_ALL | SLOT << 3 },
    { "not-present", VECTOR, SVT_ALL | SLOT << 3, 0x22 },
    { "other-source", VECTOR | 1, SVT_ALL | (SLOT + 1) << 3, 0x26 },
};

static void test_message(const void *data)
{
    const Message *msg = data;
    static const Setup off = { "intremap=on" };
    Machine *m = start(&off, "");
    uint64_t entry;

    put(m, IRTE, msg->lo);
    put(m, IRTE + 8, msg->hi);
    set_reg64(m, IRTA, IR_TABLE);
    set_reg(m, GCMD, SIRTP);
    set_reg(m, GCMD, IRE);
    qpci_msix_enable(m->dma);
    entry = m->dma->msix_table_off;
    qpci_io_writeq(m->dma, m->dma->msix_table_bar, entry,
                   INTERRUPTS | REMAPPABLE | 1 << 5);
    qpci_io_writeq(m->dma, m->dma->msix_table_bar, entry + 8, 0);
    g_assert_false(do_access(m, true, NOT_RAM, NO_PASID,
                             LU_DMA_CTRL_IRQ_ERROR));
    g_assert_cmphex(get_reg(m, FSTS), ==, msg->reason ? PPF : 0);
    if (msg->reason) {
        g_assert_cmphex(get_reg64(m, FRCD_HI) >> 32 & 0xff, ==, msg->reason);
    }
    qpci_msix_disable(m->dma);
    stop(m);
}

/* Saved machines */

#define MONITOR         "-object lu-monitor,id=lu,exit-code=off"

static void wait_migrated(Machine *m)
{
    g_autofree char *now = NULL;

    while (g_strcmp0(now, "completed")) {
        QDict *state = qtest_qmp_assert_success_ref(
            m->qts, "{ 'execute': 'query-migrate' }");

        g_free(now);
        now = g_strdup(qdict_get_try_str(state, "status"));
        g_assert_cmpstr(now, !=, "failed");
        qobject_unref(state);
        g_usleep(1000);
    }
}

static bool is_said(Machine *m, const char *text)
{
    QDict *response = qtest_qmp(m->qts, "{ 'execute': 'query-lu' }");
    g_autoptr(GString) json = qobject_to_json(QOBJECT(response));

    qobject_unref(response);
    return strstr(json->str, text);
}

static void test_snapshot(void)
{
    static const Setup setup = { "", false, UNTRANSLATED, 4, 1 };
    static const Setup none = { "" };
    g_autofree char *dir = g_dir_make_tmp("lu-vtd-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "state", NULL);
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *more = g_strdup_printf(MONITOR " -incoming %s", uri);
    uint64_t iova = iova_of(&setup);
    Machine *from = start(&setup, MONITOR), *to;

    check_lands(from, iova, DATA, NO_PASID);
    put(from, L1, (DATA + PAGE) | 3);
    check_lands(from, iova, DATA, NO_PASID);
    g_assert_false(is_said(from, "history is truncated"));
    qtest_qmp_assert_success(from->qts, "{ 'execute': 'migrate', "
                             "'arguments': { 'uri': %s } }", uri);
    wait_migrated(from);

    to = start(&none, more);
    wait_migrated(to);
    g_assert_true(is_said(to, "history is truncated"));
    /* Where the test had put its BARs, which it was not told. */
    to->bar = from->bar;
    g_assert_cmphex(get_reg(to, GSTS) & TE, ==, TE);
    check_lands(to, iova, DATA + PAGE, NO_PASID);
    stop(to);
    stop(from);
    unlink(file);
    rmdir(dir);
}

/* Those who are told what is unmapped */

#define NOTIFIED_SLOT   7
#define LATENCY         1000
#define NOTIFIED \
    MONITORED " -global intel-iommu-lu.inv-latency=" stringify(LATENCY)
/* The interrupt range lies between two that are translated. */
#define RANGES          2

typedef struct Notified {
    Machine *m;
    QPCIDevice *dev;
    QPCIBar bar;
} Notified;

static uint32_t notified(const Notified *n, unsigned reg)
{
    return qpci_io_readl(n->dev, n->bar, reg);
}

/* A machine with lu-notified, which listens from now on. */
static Notified start_notified(const char *properties)
{
    g_autofree char *more = g_strdup_printf(NOTIFIED " -device lu-notified,"
                                            "addr=%d%s", NOTIFIED_SLOT,
                                            properties);
    Notified n = { .m = start(&legacy, more) };

    n.dev = qpci_device_find(n.m->bus, QPCI_DEVFN(NOTIFIED_SLOT, 0));
    g_assert_nonnull(n.dev);
    n.bar = qpci_iomap(n.dev, LU_NOTIFIED_BAR, NULL);
    qpci_config_writew(n.dev, 4, 2);
    g_assert_cmphex(notified(&n, LU_NOTIFIED_ID), ==, LU_NOTIFIED_ID_VALUE);
    g_assert_cmpuint(notified(&n, LU_NOTIFIED_RANGES), ==, 0);
    qpci_config_writew(n.dev, 4, 6);
    return n;
}

static void stop_notified(Notified *n)
{
    g_free(n->dev);
    stop(n->m);
}

/*
 * An Invalidation Wait, after the descriptors that there are.  It is told what
 * they invalidated when that has completed, and not before.
 */
static void check_told(Notified *n, unsigned times)
{
    uint32_t before = notified(n, LU_NOTIFIED_UNMAPS);

    queue_wait(n->m);
    g_assert_cmpuint(notified(n, LU_NOTIFIED_UNMAPS), ==, before);
    qtest_clock_step(n->m->qts, LATENCY - 1);
    g_assert_cmpuint(notified(n, LU_NOTIFIED_UNMAPS), ==, before);
    qtest_clock_step(n->m->qts, 1);
    g_assert_cmpuint(notified(n, LU_NOTIFIED_UNMAPS), ==,
                     before + times * RANGES);
}

static void test_unmaps(void)
{
    Notified n = start_notified("");
    uint32_t before;

    g_assert_cmpuint(notified(&n, LU_NOTIFIED_RANGES), ==, RANGES);
    queue_start(n.m);
    check_told(&n, 0);
    before = notified(&n, LU_NOTIFIED_UNMAPS);
    queue_put(n.m, (Desc) IOTLB_GLOBAL);
    queue_ring(n.m);
    qtest_clock_step(n.m->qts, 10 * LATENCY);
    g_assert_cmpuint(notified(&n, LU_NOTIFIED_UNMAPS), ==, before);
    check_told(&n, 1);
    check_told(&n, 0);
    queue_put(n.m, (Desc) CC_GLOBAL);
    queue_put(n.m, (Desc) IOTLB_GLOBAL);
    check_told(&n, 1);
    /* Without TE addresses mean something else, and at once. */
    before = notified(&n, LU_NOTIFIED_UNMAPS);
    set_reg(n.m, GCMD, QIE);
    g_assert_cmpuint(notified(&n, LU_NOTIFIED_UNMAPS), >, before);

    qpci_config_writew(n.dev, 4, 2);
    g_assert_cmpuint(notified(&n, LU_NOTIFIED_RANGES), ==, 0);
    queue_put(n.m, (Desc) IOTLB_GLOBAL);
    check_told(&n, 0);
    stop_notified(&n);
}

/* Who wants mappings announced is not served, and told so. */
static void test_maps(void)
{
    Notified n = start_notified(",maps=on");

    g_assert_cmpuint(notified(&n, LU_NOTIFIED_RANGES), ==, 0);
    g_assert_cmpuint(notified(&n, LU_NOTIFIED_REFUSED), ==, RANGES);
    stop_notified(&n);
}

/* Accesses by translations that are kept elsewhere are not seen. */
static void test_opaque(void)
{
    uint64_t context = CONTEXT + QPCI_DEVFN(NOTIFIED_SLOT, 0) * 16;

    for (int keeps = 0; keeps <= 1; keeps++) {
        Notified n = start_notified("");

        put(n.m, context + 8, 7 << 8 | (legacy.levels - 2));
        put(n.m, context, TABLE(legacy.levels) | 1);
        if (keeps) {
            n.m->rid = QPCI_DEVFN(NOTIFIED_SLOT, 0);
        }
        ring(n.m, LU_CTL_OP_PRESERVE, NO_PASID);
        g_assert_cmpint(is_said(n.m, "\"opaque\": true"), ==, keeps);
        g_assert_cmpint(is_said(n.m, "\"opaque\": false"), ==, !keeps);
        stop_notified(&n);
    }
}

/* Guests that mean no good */

/* Every table is its own, so that there is a way for every address. */
static void test_cycle(const void *data)
{
    const Setup *s = data;
    uint64_t rights = is_first(s) ? FS_RIGHTS : 3;
    Machine *m = start(s, "");

    for (unsigned i = 0; i < 512; i++) {
        put(m, TABLE(4) + i * 8, TABLE(4) | rights);
    }
    invalidate_all(m);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t iova = (uint64_t)i * 0x123456789000 % BIT_ULL(46);

        g_assert_true(do_access(m, false, iova, NO_PASID, 0));
    }
    invalidate_all(m);
    build_path(m, s);
    invalidate_all(m);
    check_lands(m, iova_of(s), DATA, NO_PASID);
    stop(m);
}

/* Descriptors consumed at a time */
#define SLICE           256

/* The largest queue, of pages that take the most time, while DMA goes on. */
static void test_full_queue(const void *data)
{
    static const uint64_t status = 0x3000000;
    const Setup *s = data;
    Machine *m = start(s, "");
    unsigned lg2 = m->wide ? 5 : 4, n = m->wide ? 1 << 14 : 1 << 15;
    size_t bytes = (size_t)n << lg2;
    g_autofree uint64_t *w = g_malloc0(bytes);
    uint64_t base = 0x2000000, iova = iova_of(s);

    for (unsigned i = 0; i < n; i++) {
        w[(size_t)i << (lg2 - 3)] = 2 | 3 << 4 | DID << 16;
        w[((size_t)i << (lg2 - 3)) + 1] = (iova & ~0x3fffffffull) | 18;
    }
    w[(size_t)(n - 2) << (lg2 - 3)] = 5 | 1 << 5 | 1ull << 32;
    w[((size_t)(n - 2) << (lg2 - 3)) + 1] = status;
    qtest_bufwrite(m->qts, base, w, bytes);
    check_lands(m, iova, DATA, NO_PASID);
    put(m, L1, (DATA + PAGE) | 3);
    set_reg64(m, IQA, base | (m->wide ? DW : 0) | 7);
    set_reg(m, GCMD, TE | QIE);
    /* The write takes no longer than one slice; the rest waits for its time. */
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'stop' }");
    set_reg64(m, IQT, (uint64_t)(n - 1) << lg2);
    g_assert_cmpuint(get_reg64(m, IQH) >> lg2, ==, SLICE);
    check_lands(m, iova, DATA, NO_PASID);
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'cont' }");
    while (get_reg64(m, IQH) >> lg2 < n - 1) {
        g_assert_true(do_access(m, false, iova, NO_PASID, 0));
    }
    g_assert_cmphex(qtest_readl(m->qts, status), ==, 1);
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
    check_lands(m, iova, DATA + PAGE, NO_PASID);
    stop(m);
}

/* RTADDR.TTM is what SRTP made of it, whatever the guest does with TE set. */
static void test_mode_under_way(void)
{
    static const Setup setup = { SS_DEV ",esrtps=off", true, SECOND, 4, 1 };
    Machine *m = start(&setup, "");
    uint64_t iova = iova_of(&setup);

    for (unsigned ttm = 0; ttm < 4; ttm++) {
        set_reg64(m, RTADDR, NOT_RAM | ttm << 10);
        check_lands(m, iova, DATA, NO_PASID);
        set_reg(m, GCMD, TE | SRTP);
        invalidate_all(m);
        g_assert_false(do_access(m, true, iova, NO_PASID, 0));
        clear_fault(m);
        set_reg64(m, RTADDR, ROOT | SCALABLE);
        set_reg(m, GCMD, TE | SRTP);
        invalidate_all(m);
        check_lands(m, iova, DATA, NO_PASID);
    }
    stop(m);
}

/* Commands of GCMD are done at once, and leave no state. */
static void test_one_shots(void)
{
    Machine *m = start(&legacy, "");
    static const uint32_t shots[] = { SRTP, SIRTP, 0x20000000, 0x08000000 };

    for (size_t i = 0; i < ARRAY_SIZE(shots); i++) {
        uint32_t before = get_reg(m, GSTS);

        set_reg(m, GCMD, TE | shots[i]);
        g_assert_cmphex(get_reg(m, GSTS) & ~(SRTP | SIRTP), ==,
                        before & ~(SRTP | SIRTP));
        check_lands(m, iova_of(&legacy), DATA, NO_PASID);
    }
    stop(m);
}

static void add(const char *group, const char *name, const void *data,
                void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("vtd-neighbour/%s/%s", group,
                                            name);

    qtest_add_data_func(path, data, fn);
}

int main(int argc, char **argv)
{
    static const Setup first = { FS_DEV, true, FIRST, 4, 1 };

    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(behinds); i++) {
        add("behind", behinds[i].name, &behinds[i], test_behind);
    }
    qtest_add_func("vtd-neighbour/behind/renumbered", test_renumbered);
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        add("message", messages[i].name, &messages[i], test_message);
    }
    qtest_add_func("vtd-neighbour/snapshot", test_snapshot);
    qtest_add_func("vtd-neighbour/notified/unmaps", test_unmaps);
    qtest_add_func("vtd-neighbour/notified/maps", test_maps);
    qtest_add_func("vtd-neighbour/notified/opaque", test_opaque);
    add("cycle", "legacy", &legacy, test_cycle);
    add("cycle", "second", &second, test_cycle);
    add("cycle", "first", &first, test_cycle);
    add("full-queue", "128", &legacy, test_full_queue);
    add("full-queue", "256", &second, test_full_queue);
    qtest_add_func("vtd-neighbour/mode-under-way", test_mode_under_way);
    qtest_add_func("vtd-neighbour/one-shots", test_one_shots);
    return g_test_run();
}
