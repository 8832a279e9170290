/*
 * Bus mastering of a claimed device: who clears it between the freeze and the
 * replacement breaks CON-9, be it software, a reset or an unplug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "hw/pci/pci_regs.h"
#include "lu-case.h"

#define TOKEN       0x99
#define PORT        0x0028      /* a port at 00:05.0, and what is behind it */
#define RID         0x0100
#define COMMAND_ON  (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static void command(Case *c, uint16_t val)
{
    c->pq.plat.cfg_write(&c->pq.plat, c->engine[0].dma.rid, PCI_COMMAND, val,
                         2);
}

/* Each time another: equal findings are one. */
static uint64_t new_token(void)
{
    static uint64_t token = TOKEN;

    return token++;
}

static void claim(Case *c)
{
    case_claim(c, 0, new_token());
}

/* Not frozen yet. */
static void preserve(Case *c)
{
    g_assert_cmpuint(luctl_preserve(&c->ctl, c->engine[0].dma.rid,
                                    new_token()), ==, LU_CTL_OK);
}

static void begin(Case *c, bool frozen)
{
    IommuDomain *d = case_domain(c);

    case_map(c, d, c->kind->iova, case_page(c), 0);
    case_attach(c, 0, d);
    if (frozen) {
        claim(c);
    }
}

static void end(Case *c, const char *rules)
{
    case_op(c, LU_CTL_OP_KEXEC);    /* nothing moves if it was rung already */
    case_expect(c, rules);
    case_op(c, LU_CTL_OP_ABORT);
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, c->engine[0].dma.rid), ==,
                     LU_CTL_OK);
}

/* The shutdown of the PCI core clears it; it is told before any edge. */
static void test_cleared(Case *c)
{
    begin(c, true);
    command(c, PCI_COMMAND_MEMORY);
    case_expect(c, "CON-9");
    command(c, COMMAND_ON);
    end(c, "");
}

/* So does a driver, that sets it again at once. */
static void test_cleared_later(Case *c)
{
    begin(c, true);
    case_op(c, LU_CTL_OP_KEXEC);
    command(c, PCI_COMMAND_MEMORY);
    command(c, COMMAND_ON);
    end(c, "CON-9");
}

/* Other bits may change, and so may this one of another device. */
static void test_kept(Case *c)
{
    uint16_t other = c->engine[1].dma.rid;

    begin(c, true);
    command(c, PCI_COMMAND_MASTER);
    command(c, COMMAND_ON | PCI_COMMAND_INTX_DISABLE);
    command(c, COMMAND_ON);
    c->pq.plat.cfg_write(&c->pq.plat, other, PCI_COMMAND, PCI_COMMAND_MEMORY,
                         2);
    c->pq.plat.cfg_write(&c->pq.plat, other, PCI_COMMAND, COMMAND_ON, 2);
    end(c, "");
}

/*
 * The driver lets the device go before the freeze, and takes the claim back
 * first, as LUO does with a file that is closed.
 */
static void test_unbound(Case *c)
{
    begin(c, false);
    preserve(c);
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, c->engine[0].dma.rid), ==,
                     LU_CTL_OK);
    command(c, PCI_COMMAND_MEMORY);
    case_detach(c, 0);
    case_op(c, LU_CTL_OP_FREEZE);
    case_op(c, LU_CTL_OP_KEXEC);
    case_expect(c, "");
    command(c, COMMAND_ON);
    case_op(c, LU_CTL_OP_ABORT);
}

/* It lets the device go, and nobody takes the claim back: another domain. */
static void test_unbound_preserved(Case *c)
{
    begin(c, false);
    preserve(c);
    command(c, PCI_COMMAND_MEMORY);
    case_detach(c, 0);
    case_op(c, LU_CTL_OP_FREEZE);
    command(c, COMMAND_ON);
    end(c, "DOM-1");
}

/* It lets go what is frozen. */
static void test_unbound_frozen(Case *c)
{
    begin(c, true);
    command(c, PCI_COMMAND_MEMORY);
    case_detach(c, 0);
    command(c, COMMAND_ON);
    end(c, c->io.ops == &vtd_ops ? "CON-9 CON-6" : "CON-9 CON-5");
}

/* Before the freeze, and once the claim is taken back. */
static void test_outside(Case *c)
{
    begin(c, false);
    command(c, PCI_COMMAND_MEMORY);
    command(c, COMMAND_ON);
    claim(c);
    end(c, "");
    command(c, PCI_COMMAND_MEMORY);
    command(c, COMMAND_ON);
    case_expect(c, "");
}

static unsigned express_cap(Plat *p, uint16_t rid)
{
    unsigned pos = p->cfg_read(p, rid, PCI_CAPABILITY_LIST, 1);

    while (pos && p->cfg_read(p, rid, pos, 1) != PCI_CAP_ID_EXP) {
        pos = p->cfg_read(p, rid, pos + 1, 1);
    }
    g_assert_cmpuint(pos, !=, 0);
    return pos;
}

/* ------------------------------------------------------------------ */

static QDict *first_finding(QTestState *qts)
{
    QDict *info = qtest_qmp_assert_success_ref(qts,
                                               "{'execute': 'query-lu'}");
    QDict *f = qobject_to(QDict,
                          qlist_peek(qdict_get_qlist(info, "findings")));

    if (f) {
        qobject_ref(f);
    }
    qobject_unref(info);
    return f;
}

/* The slot at @rid is switched off, by which what is in there is gone. */
static void switch_off(Plat *p, uint16_t rid)
{
    unsigned cap = express_cap(p, rid);

    p->cfg_write(p, rid, cap + PCI_EXP_SLTCTL,
                 PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF, 2);
}

/* Function level reset clears the bit: it is told when claims move next. */
static void reset(PlatQtest *pq, LuCtl *ctl)
{
    pq->plat.cfg_write(&pq->plat, RID, express_cap(&pq->plat, RID) +
                       PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
    g_assert_null(first_finding(pq->qts));
    g_assert_cmpuint(luctl_simple(ctl, LU_CTL_OP_KEXEC), ==, LU_CTL_OK);
}

/* The bridge resets what is behind it; that is found in the same way. */
static void reset_bus(PlatQtest *pq, LuCtl *ctl)
{
    Plat *p = &pq->plat;
    uint16_t val = p->cfg_read(p, PORT, PCI_BRIDGE_CONTROL, 2);

    p->cfg_write(p, PORT, PCI_BRIDGE_CONTROL, val | PCI_BRIDGE_CTL_BUS_RESET,
                 2);
    p->cfg_write(p, PORT, PCI_BRIDGE_CONTROL, val, 2);
    g_assert_cmphex(p->cfg_read(p, RID, PCI_COMMAND, 2), ==, 0);
    g_assert_cmpuint(luctl_simple(ctl, LU_CTL_OP_KEXEC), ==, LU_CTL_OK);
}

/* Another bit of the same register is no reset. */
static void touch_bridge(PlatQtest *pq, LuCtl *ctl)
{
    Plat *p = &pq->plat;
    uint16_t val = p->cfg_read(p, PORT, PCI_BRIDGE_CONTROL, 2);

    p->cfg_write(p, PORT, PCI_BRIDGE_CONTROL, val ^ PCI_BRIDGE_CTL_SERR, 2);
    p->cfg_write(p, PORT, PCI_BRIDGE_CONTROL, val, 2);
    g_assert_cmpuint(luctl_simple(ctl, LU_CTL_OP_KEXEC), ==, LU_CTL_OK);
}

static void unplug(PlatQtest *pq, LuCtl *ctl)
{
    qtest_qmp_assert_success(pq->qts, "{'execute': 'device_del', "
                             "'arguments': {'id': 'dma'}}");
    switch_off(&pq->plat, PORT);
    qtest_qmp_eventwait(pq->qts, "DEVICE_DELETED");
}

typedef struct Loss {
    const char *name;
    void (*lose)(PlatQtest *pq, LuCtl *ctl);
    bool aborted;               /* the claim is not frozen any more */
    const char *detail;         /* NULL: no finding */
} Loss;

static const Loss losses[] = {
    { "unplugged", unplug, false, "unplugged" },
    { "unplugged-after", unplug, true },
    { "reset", reset, false, "reset" },
    { "reset-after", reset, true },
    { "bus-reset", reset_bus, false, "reset" },
    { "bus-reset-after", reset_bus, true },
    { "bus-kept", touch_bridge, false },
};

/* A device behind a port, whose claim is frozen, stops to be a master. */
static void test_loss(const void *arg)
{
    const Loss *loss = arg;
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    PlatQtest pq;
    LuCtl ctl;
    QDict *f;

    plat_qtest_init(&pq, 16 * 1024 * 1024, 128 * 1024 * 1024);
    pq.qts = qtest_initf(
        "%s -nodefaults -device pcie-root-port,id=rp,slot=3,addr=5 "
        "-device lu-dma,personality=ioat,id=dma,bus=rp "
        "-object lu-monitor,id=lu0,exit-code=off -device lu-ctl,addr=0x10",
        x86 ? "-M q35 "
              "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
              "-device intel-iommu-lu"
            : "-M virt,highmem-ecam=off "
              "-device arm-smmuv3-lu,primary-bus=pcie.0");
    g_assert_true(luctl_find(&ctl, &pq.plat));
    pq.plat.cfg_write(&pq.plat, PORT, PCI_PRIMARY_BUS, 0x010100, 4);
    pq.plat.cfg_write(&pq.plat, RID, PCI_COMMAND, COMMAND_ON, 2);
    g_assert_cmpuint(luctl_preserve(&ctl, RID, TOKEN), ==, LU_CTL_OK);
    g_assert_cmpuint(luctl_simple(&ctl, LU_CTL_OP_FREEZE), ==, LU_CTL_OK);
    if (loss->aborted) {
        g_assert_cmpuint(luctl_simple(&ctl, LU_CTL_OP_ABORT), ==, LU_CTL_OK);
    }
    loss->lose(&pq, &ctl);
    f = first_finding(pq.qts);
    if (loss->detail) {
        g_assert_cmpstr(qdict_get_str(f, "rule"), ==, "CON-9");
        g_assert_cmpstr(qdict_get_str(f, "stream"), ==, "01:00.0");
        g_assert_nonnull(strstr(qdict_get_str(f, "detail"), loss->detail));
    } else {
        g_assert_null(f);
    }
    qobject_unref(f);
    qtest_quit(pq.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    case_add("lu-master", "cleared", "arm x86", "", test_cleared);
    case_add("lu-master", "cleared-later", "arm x86", "", test_cleared_later);
    case_add("lu-master", "kept", "arm x86", "", test_kept);
    case_add("lu-master", "outside", "arm x86", "", test_outside);
    case_add("lu-master", "unbound", "arm x86", "", test_unbound);
    case_add("lu-master", "unbound-preserved", "arm x86", "",
             test_unbound_preserved);
    case_add("lu-master", "unbound-frozen", "arm x86", "",
             test_unbound_frozen);
    for (unsigned i = 0; i < ARRAY_SIZE(losses); i++) {
        g_autofree char *path = g_strdup_printf("/lu-master/lost/%s",
                                                losses[i].name);

        qtest_add_data_func(path, &losses[i], test_loss);
    }
    return case_run();
}
