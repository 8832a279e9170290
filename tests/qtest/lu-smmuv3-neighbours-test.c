/*
 * arm-smmuv3-lu among other devices: two of them in one machine, devices
 * behind ports and bridges, and state that is saved and loaded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/lu-notified-regs.h"
#include "lu-smmuv3-machine.h"

#define IOVA            0x1000
#define BUS(n)          ((n) << 8)
#define DEVFN(slot)     ((slot) << 3)
#define MONITOR         " -object lu-monitor,id=lu0,exit-code=off"

/* Configuration space of the function at @bdf. */
static uint64_t cfg(unsigned bdf)
{
    return ECAM + ((uint64_t)bdf << 12);
}

/* Give a bridge its bus, and memory for what is behind it. */
static void setup_bridge(Machine *m, unsigned bdf, unsigned bus, unsigned last)
{
    uint32_t window = (BAR >> 16) & 0xfff0;

    qtest_writel(m->qts, cfg(bdf) + 0x18, bdf >> 8 | bus << 8 | last << 16);
    qtest_writel(m->qts, cfg(bdf) + 0x20, window << 16 | window);
    qtest_writew(m->qts, cfg(bdf) + 0x04, 6);
}

/* The lu-dma at @bdf becomes the one that transfers are of. */
static void use_dma(Machine *m, unsigned bdf)
{
    qtest_writel(m->qts, cfg(bdf) + 0x10, BAR);
    qtest_writew(m->qts, cfg(bdf) + 0x04, 6);
    g_assert_cmphex(qtest_readl(m->qts, BAR + LU_DMA_ID), ==,
                    LU_DMA_ID_VALUE);
}

/* A machine whose devices @opts names, of which none is set up. */
static void start_with(Machine *m, const char *opts)
{
    *m = (Machine) { .heap = HEAP, .dma_seq = 0x1000 };
    m->qts = qtest_initf("-machine virt,highmem-ecam=off -m 256 -nodefaults "
                         "-device arm-smmuv3-lu,primary-bus=pcie.0,id=smmu0 "
                         "%s", opts);
    m->strtab = alloc(m, 4096 * 64);
    m->cmdq = alloc(m, 4096);
    m->eventq = alloc(m, 4096);
    wr32(m, STRTAB_BASE_CFG, 12);
}

/* An STE for @sid, with stage 1 of its own that leads IOVA to the result. */
static uint64_t new_stream(Machine *m, uint64_t strtab, unsigned sid)
{
    Tree t = { .granule = 12, .start = 1, .root = alloc(m, 4096) };
    uint64_t page = alloc(m, 4096);
    uint64_t cd = new_cd(m, CD_OK | CD_T0SZ(25) | CD_EPD1 |
                         CD_ASID(++m->asid), t.root, 0);
    const uint64_t w[8] = { STE_V | STE_S1 | cd };

    map(m, &t, IOVA, page, 3, S1_LEAF | 1ull << 11);
    mem_words(m, strtab + sid * 64, w, 8);
    return page;
}

static void drop_stream(Machine *m, unsigned sid)
{
    mem64(m, m->strtab + sid * 64, 0);
    command(m, CFGI_STE(sid), 0);
    sync_commands(m);
}

/* A fault's record names the StreamID. */
static void assert_sid(Machine *m, unsigned sid)
{
    uint32_t cons = rd32(m, EVENTQ_CONS), mask = (1 << QUEUE_LG2) - 1;

    g_assert_false(dma_write(m, IOVA));
    g_assert_cmphex(rd32(m, EVENTQ_PROD), !=, cons);
    g_assert_cmphex(qtest_readl(m->qts, m->eventq + (cons & mask) * 32 + 4),
                    ==, sid);
}

/* 13.2: behind a port with its own bus number, a device with its own. */
static void test_root_port(void)
{
    unsigned sid = BUS(1) | DEVFN(0);
    uint64_t page;
    Machine m;

    start_with(&m, "-device pcie-root-port,id=rp,addr=3,chassis=1 "
                   "-device lu-dma,bus=rp");
    setup_bridge(&m, DEVFN(3), 1, 1);
    use_dma(&m, sid);
    page = new_stream(&m, m.strtab, sid);
    new_stream(&m, m.strtab, DEVFN(3));
    smmu_enable(&m);
    assert_reaches(&m, IOVA, page);
    drop_stream(&m, sid);
    assert_sid(&m, sid);
    /* The guest renumbers the bus: it is another stream. */
    page = new_stream(&m, m.strtab, BUS(2));
    setup_bridge(&m, DEVFN(3), 2, 2);
    use_dma(&m, BUS(2));
    assert_reaches(&m, IOVA, page);
    stop(&m);
}

/*
 * A PCIe-to-PCI bridge takes ownership: requests of all that is behind come
 * with device 0 of its secondary bus.
 */
static void test_alias(void)
{
    unsigned alias = BUS(1) | DEVFN(0), own = BUS(1) | DEVFN(2);
    uint64_t page;
    Machine m;

    start_with(&m, "-device pcie-pci-bridge,id=pci,addr=3 "
                   "-device lu-dma,bus=pci,addr=2");
    setup_bridge(&m, DEVFN(3), 1, 1);
    use_dma(&m, own);
    page = new_stream(&m, m.strtab, alias);
    new_stream(&m, m.strtab, own);
    smmu_enable(&m);
    assert_reaches(&m, IOVA, page);
    drop_stream(&m, own);
    assert_reaches(&m, IOVA, page);
    drop_stream(&m, alias);
    assert_sid(&m, alias);
    stop(&m);
}

/* Registers of the second SMMU: the platform bus places them in turn. */
#define SMMU1           (SMMU + 0x20000)
#define PXB             8       /* its bus number */

/* One operation of lu-ctl for @sid. */
static uint32_t ctl(Machine *m, uint8_t op, unsigned sid, uint64_t addr,
                    uint64_t len)
{
    uint64_t cap = cfg(DEVFN(2)) + qtest_readb(m->qts, cfg(DEVFN(2)) + 0x34);

    qtest_writel(m->qts, cap + LU_CTL_STREAM, sid);
    qtest_writel(m->qts, cap + LU_CTL_TOKEN_LO, 1 + sid);
    qtest_writel(m->qts, cap + LU_CTL_ADDR_LO, addr);
    qtest_writel(m->qts, cap + LU_CTL_LEN_LO, len);
    qtest_writel(m->qts, cap + LU_CTL_OP, op);
    return qtest_readl(m->qts, cap + LU_CTL_RESULT);
}

static void assert_ctl(Machine *m, uint8_t op, unsigned sid)
{
    bool keep = op == LU_CTL_OP_KEEP;

    g_assert_cmphex(ctl(m, op, sid, keep ? RAM : 0, keep ? RAM_BYTES : 0), ==,
                    LU_CTL_OK);
}

static QDict *query_lu(Machine *m)
{
    return qtest_qmp(m->qts, "{ 'execute': 'query-lu' }");
}

static QList *findings_of(QDict *rsp)
{
    return qdict_get_qlist(qdict_get_qdict(rsp, "return"), "findings");
}

/*
 * Two SMMUs with a stream table each.  What is done to one concerns its own
 * streams and claims, and not those of the other.
 */
static void test_two(void)
{
    unsigned port = BUS(PXB) | DEVFN(0), sid1 = BUS(PXB + 1), sid0 = DEVFN(1);
    uint64_t strtab1, cmdq1, page0, page1;
    Machine m;
    QDict *rsp, *finding;

    start_with(&m, "-device pxb-pcie,id=pxb,bus_nr=8,bus=pcie.0,addr=5 "
                   "-device arm-smmuv3-lu,primary-bus=pxb,id=smmu1 "
                   "-device lu-dma,bus=pcie.0,addr=1 "
                   "-device lu-ctl,bus=pcie.0,addr=2 "
                   "-device pcie-root-port,id=rp,bus=pxb,addr=0,chassis=1 "
                   "-device lu-dma,bus=rp" MONITOR);
    strtab1 = alloc(&m, 4096 * 64);
    cmdq1 = alloc(&m, 4096);
    page0 = new_stream(&m, m.strtab, sid0);
    page1 = new_stream(&m, strtab1, sid1);
    smmu_enable(&m);
    qtest_writel(m.qts, SMMU1 + STRTAB_BASE_CFG, 12);
    qtest_writeq(m.qts, SMMU1 + STRTAB_BASE, strtab1);
    qtest_writeq(m.qts, SMMU1 + CMDQ_BASE, cmdq1 | QUEUE_LG2);
    qtest_writel(m.qts, SMMU1 + CR0, SMMUEN | CMDQEN);
    g_assert_cmphex(qtest_readl(m.qts, SMMU1 + CR0ACK), ==, SMMUEN | CMDQEN);

    use_dma(&m, sid0);
    assert_reaches(&m, IOVA, page0);
    qtest_writew(m.qts, cfg(sid0) + 0x04, 0);
    setup_bridge(&m, port, PXB + 1, PXB + 1);
    use_dma(&m, sid1);
    assert_reaches(&m, IOVA, page1);

    /* What one forgets, the other still holds. */
    mem64(&m, strtab1 + sid1 * 64, 0);
    command(&m, CFGI_ALL, CFGI_ALL_1);
    command(&m, TLBI_NSNH_ALL, 0);
    sync_commands(&m);
    assert_reaches(&m, IOVA, page1);
    mem64(&m, cmdq1, CFGI_STE(sid1));
    mem64(&m, cmdq1 + 16, SYNC);
    qtest_writel(m.qts, SMMU1 + CMDQ_PROD, 2);
    g_assert_cmphex(qtest_readl(m.qts, SMMU1 + CMDQ_CONS), ==, 2);
    g_assert_false(dma_write(&m, IOVA));
    assert_no_event(&m);                    /* not the first one's to tell */
    page1 = new_stream(&m, strtab1, sid1);
    assert_reaches(&m, IOVA, page1);

    assert_ctl(&m, LU_CTL_OP_KEEP, 0);
    assert_ctl(&m, LU_CTL_OP_PRESERVE, sid0);
    assert_ctl(&m, LU_CTL_OP_FREEZE, sid0);
    assert_ctl(&m, LU_CTL_OP_PRESERVE, sid1);
    assert_ctl(&m, LU_CTL_OP_FREEZE, sid1);
    assert_ctl(&m, LU_CTL_OP_KEXEC, 0);
    qtest_writel(m.qts, SMMU1 + CR0, CMDQEN);
    rsp = query_lu(&m);
    g_assert_cmpint(qlist_size(findings_of(rsp)), ==, 1);
    finding = qobject_to(QDict, qlist_peek(findings_of(rsp)));
    g_assert_cmpstr(qdict_get_str(finding, "rule"), ==, "CON-3");
    g_assert_cmpstr(qdict_get_str(finding, "iommu"), ==, "smmu1");
    qobject_unref(rsp);
    stop(&m);
}

/*
 * While lu-dma is asked whether an IOMMU of ours is before it, a bus behind
 * the other one has the number of its own.  It stays behind its own, whatever
 * that is called: @id.
 */
static void test_two_renumbered(const void *id)
{
    unsigned port = DEVFN(3), bus = PXB + 1;
    g_autofree char *options = g_strdup_printf(
        "-device pxb-pcie,id=pxb,bus_nr=8,bus=pcie.0,addr=5 "
        "-device arm-smmuv3-lu,primary-bus=pxb,id=%s "
        "-device pcie-root-port,id=rp,addr=3,chassis=1 -device lu-dma,bus=rp "
        "-device pcie-root-port,id=rp1,bus=pxb,addr=0,chassis=2 "
        "-device lu-dma,bus=rp1", (const char *)id);
    uint64_t page;
    Machine m;

    start_with(&m, options);
    page = new_stream(&m, m.strtab, BUS(bus));
    qtest_writel(m.qts, SMMU1 + STRTAB_BASE_CFG, 12);
    qtest_writeq(m.qts, SMMU1 + STRTAB_BASE, m.strtab);
    qtest_writel(m.qts, SMMU1 + CR0, SMMUEN);
    setup_bridge(&m, BUS(PXB), bus, bus);
    use_dma(&m, BUS(bus));
    qtest_writel(m.qts, cfg(port) + 0x18, bus << 8 | bus << 16);
    g_assert_cmphex(qtest_readl(m.qts, BAR + LU_DMA_CAPS), ==,
                    LU_DMA_CHANNELS | LU_DMA_CAPS_ATTRS);
    qtest_writel(m.qts, cfg(port) + 0x18, 0);
    qtest_writel(m.qts, GBPA + SMMU, GBPA_UPDATE | GBPA_ABORT);
    assert_reaches(&m, IOVA, page);
    stop(&m);
}

/* Those who are told what is unmapped: registers beside those of lu-dma. */
#define NOTIFIED        (BAR + MiB)
#define LATENCY         1000
#define NOTIFIED_MACHINE \
    "-global arm-smmuv3-lu.inv-latency=" stringify(LATENCY) " " \
    "-device lu-dma,addr=1 -device lu-ctl,addr=2 " MONITOR " "

static uint32_t notified(Machine *m, uint64_t reg)
{
    return qtest_readl(m->qts, NOTIFIED + reg);
}

/* The lu-notified at @bdf: it listens while bus mastering is enabled. */
static void use_notified(Machine *m, unsigned bdf)
{
    qtest_writel(m->qts, cfg(bdf) + 0x10, NOTIFIED);
    qtest_writew(m->qts, cfg(bdf) + 0x04, 2);
    g_assert_cmphex(notified(m, LU_NOTIFIED_ID), ==, LU_NOTIFIED_ID_VALUE);
    g_assert_cmpuint(notified(m, LU_NOTIFIED_RANGES), ==, 0);
    qtest_writew(m->qts, cfg(bdf) + 0x04, 6);
}

/*
 * A CMD_SYNC, after the commands that there are.  It is told what they
 * invalidated when that has completed, and not before: what it asked for in
 * between may have been what was invalidated.
 */
static void check_told(Machine *m, unsigned times)
{
    uint32_t before = notified(m, LU_NOTIFIED_UNMAPS);

    command(m, SYNC, 0);
    g_assert_cmpuint(notified(m, LU_NOTIFIED_UNMAPS), ==, before);
    qtest_clock_step(m->qts, LATENCY - 1);
    g_assert_cmpuint(notified(m, LU_NOTIFIED_UNMAPS), ==, before);
    qtest_clock_step(m->qts, 1);
    g_assert_cmpuint(notified(m, LU_NOTIFIED_UNMAPS), ==, before + times);
}

static void test_unmaps(void)
{
    uint32_t before;
    Machine m;

    start_with(&m, NOTIFIED_MACHINE "-device lu-notified,addr=3");
    smmu_enable(&m);
    use_notified(&m, DEVFN(3));
    g_assert_cmpuint(notified(&m, LU_NOTIFIED_RANGES), ==, 1);

    check_told(&m, 0);
    before = notified(&m, LU_NOTIFIED_UNMAPS);
    command(&m, TLBI_NSNH_ALL, 0);
    qtest_clock_step(m.qts, 10 * LATENCY);
    g_assert_cmpuint(notified(&m, LU_NOTIFIED_UNMAPS), ==, before);
    check_told(&m, 1);
    check_told(&m, 0);
    command(&m, CFGI_STE(DEVFN(3)), 0);
    command(&m, TLBI_NSNH_ALL, 0);
    check_told(&m, 1);
    /* Without SMMUEN addresses mean something else, and at once. */
    before = notified(&m, LU_NOTIFIED_UNMAPS);
    smmu_off(&m);
    g_assert_cmpuint(notified(&m, LU_NOTIFIED_UNMAPS), ==, before + 1);

    qtest_writew(m.qts, cfg(DEVFN(3)) + 0x04, 2);
    g_assert_cmpuint(notified(&m, LU_NOTIFIED_RANGES), ==, 0);
    before = notified(&m, LU_NOTIFIED_UNMAPS);
    command(&m, TLBI_NSNH_ALL, 0);
    check_told(&m, 0);
    stop(&m);
}

/* Who wants mappings announced is not served, and told so. */
static void test_maps(void)
{
    Machine m;

    start_with(&m, NOTIFIED_MACHINE "-device lu-notified,addr=3,maps=on");
    use_notified(&m, DEVFN(3));
    g_assert_cmpuint(notified(&m, LU_NOTIFIED_RANGES), ==, 0);
    g_assert_cmpuint(notified(&m, LU_NOTIFIED_REFUSED), ==, 1);
    stop(&m);
}

/* Accesses by translations that are kept elsewhere are not seen. */
static void test_opaque(void)
{
    const QListEntry *e;
    unsigned claims = 0;
    QDict *rsp;
    Machine m;

    start_with(&m, NOTIFIED_MACHINE "-device lu-notified,addr=3");
    new_stream(&m, m.strtab, DEVFN(1));
    new_stream(&m, m.strtab, DEVFN(3));
    smmu_enable(&m);
    use_notified(&m, DEVFN(3));
    assert_ctl(&m, LU_CTL_OP_KEEP, 0);
    assert_ctl(&m, LU_CTL_OP_PRESERVE, DEVFN(1));
    assert_ctl(&m, LU_CTL_OP_PRESERVE, DEVFN(3));
    rsp = query_lu(&m);
    QLIST_FOREACH_ENTRY(qdict_get_qlist(qdict_get_qdict(rsp, "return"),
                                        "claims"), e) {
        QDict *claim = qobject_to(QDict, qlist_entry_obj(e));

        g_assert_cmpint(qdict_get_bool(claim, "opaque"), ==,
                        g_str_equal(qdict_get_str(claim, "stream"),
                                    "00:03.0"));
        claims++;
    }
    g_assert_cmpuint(claims, ==, 2);
    qobject_unref(rsp);
    stop(&m);
}

/* savevm has nowhere to go here: a file that is migrated to and from. */
static void migrate_to(Machine *m, const char *uri)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'migrate', 'arguments':"
                             " { 'uri': %s } }", uri);
    for (;;) {
        QDict *rsp = qtest_qmp(m->qts, "{ 'execute': 'query-migrate' }");
        const char *status =
            qdict_get_try_str(qdict_get_qdict(rsp, "return"), "status");
        bool done = !g_strcmp0(status, "completed");

        g_assert_cmpstr(status, !=, "failed");
        qobject_unref(rsp);
        if (done) {
            return;
        }
        g_usleep(1000);
    }
}

static bool history_truncated(Machine *m)
{
    QDict *rsp = query_lu(m), *info = qdict_get_qdict(rsp, "return");
    const QListEntry *e;
    bool found = false;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "notes"), e) {
        QString *note = qobject_to(QString, qlist_entry_obj(e));

        found |= g_str_has_prefix(qstring_get_str(note),
                                  "history is truncated");
    }
    g_assert_cmpstr(qdict_get_str(info, "verdict"), ==, "inconclusive");
    qobject_unref(rsp);
    return found;
}

/* What is held stays behind; translation goes on by the tables. */
static void test_snapshot(void)
{
    g_autofree char *file = NULL, *uri = NULL, *incoming = NULL;
    int fd = g_file_open_tmp("lu-smmuv3-neighbours-XXXXXX", &file, NULL);
    const char *with = MONITOR;
    uint64_t page, other;
    Machine m;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    uri = g_strdup_printf("file:%s", file);
    incoming = g_strdup_printf("%s -incoming defer", with);
    start(&m, with);
    page = new_stream(&m, m.strtab, SID);
    smmu_enable(&m);
    assert_reaches(&m, IOVA, page);
    g_assert_false(history_truncated(&m));
    /* Held, and changed behind the SMMU's back. */
    other = new_stream(&m, m.strtab, SID);
    assert_reaches(&m, IOVA, page);
    migrate_to(&m, uri);
    stop(&m);

    m.qts = qtest_initf("-machine virt,highmem-ecam=off -m 256 -nodefaults "
                        "-device arm-smmuv3-lu,primary-bus=pcie.0,id=smmu0,"
                        "%s%s -device lu-dma,addr=1", mode(), incoming);
    qtest_qmp_assert_success(m.qts, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
    qtest_qmp_eventwait(m.qts, "RESUME");
    assert_reaches(&m, IOVA, other);
    g_assert_true(history_truncated(&m));
    stop(&m);
    unlink(file);
}

int main(int argc, char **argv)
{
    static const char *const ids[] = { "a", "smmu1", "z" };

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-smmuv3-neighbours/root-port", test_root_port);
    qtest_add_func("lu-smmuv3-neighbours/alias", test_alias);
    qtest_add_func("lu-smmuv3-neighbours/two", test_two);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        g_autofree char *path = g_strdup_printf(
            "lu-smmuv3-neighbours/two/renumbered/%s", ids[i]);

        qtest_add_data_func(path, ids[i], test_two_renumbered);
    }
    qtest_add_func("lu-smmuv3-neighbours/notified/unmaps", test_unmaps);
    qtest_add_func("lu-smmuv3-neighbours/notified/maps", test_maps);
    qtest_add_func("lu-smmuv3-neighbours/notified/opaque", test_opaque);
    qtest_add_func("lu-smmuv3-neighbours/snapshot", test_snapshot);
    return g_test_run();
}
