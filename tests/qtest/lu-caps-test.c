/*
 * Cases of capabilities: what the next kernel may find that the last one did
 * not, what it takes a domain for, and how it goes without one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "lu-case.h"
#include "../lib/qtest-end.h"

static unsigned shape(Case *c, const IommuDomain *d)
{
    const PgTable *t = d->kind == IOMMU_NESTED ? &d->pt2 : &d->pt;

    return LU_CTL_SHAPE(t->fmt->id, t->level, t->vasz);
}

static uint64_t top(const IommuDomain *d)
{
    return d->kind == IOMMU_NESTED ? d->pt2.top : d->pt.top;
}

static IommuDomain *claimed(Case *c, unsigned prot, bool fwb)
{
    IommuDomain *d = case_domain(c);

    d->fwb = fwb;
    case_map_as(c, d, c->kind->iova, case_page(c), prot);
    case_attach(c, 0, d);
    case_claim(c, 0, d->tag);
    return d;
}

static void jump(Case *c)
{
    case_op(c, LU_CTL_OP_KEXEC);
    case_op(c, LU_CTL_OP_BOOT);
    case_expect(c, "");
}

static void restore(Case *c, const IommuDomain *d, unsigned use,
                    const char *rules)
{
    g_assert_cmpuint(luctl_restore(&c->ctl, d->tag, top(d),
                                   shape(c, d) | use), ==, LU_CTL_OK);
    case_expect(c, rules);
}

/* It ends; what was freed is not told. */
static void finish(Case *c, const IommuDomain *d)
{
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'lu-announce',"
                             " 'arguments': { 'op': 'finish', 'token': %u,"
                             " 'param': %" PRIu64 " } }", d->tag,
                             (uint64_t)LU_CTL_FINISH_UNSEEN);
}

static void end_well(Case *c, const IommuDomain *d)
{
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_REPLACE, d->tag), ==,
                     LU_CTL_OK);
    finish(c, d);
    case_expect(c, "");
    case_detach(c, 0);
}

/* ------------------------------------------------------------------ */
/* Another IOMMU than at the freeze                                   */

typedef struct Change {
    const char *capability;
    unsigned more, less;        /* as the property is given */
} Change;

static void change_in(QTestState *qts, const char *capability, unsigned value)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'lu-change-capability',"
                             " 'arguments': { 'iommu': 'iommu0',"
                             " 'capability': %s, 'value': %u } }", capability,
                             value);
}

static void change(Case *c, const char *capability, unsigned value)
{
    change_in(c->pq.qts, capability, value);
}

/* It is found before the stream runs: no access is made after the jump. */
static void handed_over(Case *c, const char *capability, unsigned then,
                        unsigned now, const char *rule)
{
    IommuDomain *d;

    change(c, capability, then);
    d = claimed(c, 0, false);
    jump(c);
    change(c, capability, now);
    restore(c, d, 0, rule);
    change(c, capability, then);
    end_well(c, d);
}

static void each_way(Case *c, const Change *changes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const Change *ch = &changes[i];

        handed_over(c, ch->capability, ch->more, ch->more, "");
        handed_over(c, ch->capability, ch->more, ch->less, "CAP-1");
        handed_over(c, ch->capability, ch->less, ch->more, "CAP-1w");
        handed_over(c, ch->capability, ch->less, ch->less, "");
        change(c, ch->capability, ch->more);
    }
}

static void test_smmu(Case *c)
{
    static const Change changes[] = {
        { "fwb", 1, 0 }, { "bbml", 2, 1 }, { "bbml", 1, 0 }, { "oas", 48, 44 },
        { "cohacc", 1, 0 }, { "asid16", 1, 0 }, { "vmid16", 1, 0 },
        { "ril", 1, 0 }, { "ssidsize", 8, 0 }, { "sidsize", 20, 16 },
    };

    each_way(c, changes, ARRAY_SIZE(changes));
}

static void test_vtd(Case *c)
{
    static const Change changes[] = {
        { "snoop-control", 1, 0 }, { "smpwc", 1, 0 }, { "esrtps", 1, 0 },
        { "aw-bits", 57, 48 }, { "sagaw", 14, 6 }, { "coherent", 1, 0 },
        { "caching-mode", 0, 1 }, { "pss", 9, 7 }, { "dma-drain", 3, 0 },
    };

    each_way(c, changes, ARRAY_SIZE(changes));
}

static void test_same(Case *c)
{
    IommuDomain *d = claimed(c, 0, false);

    jump(c);
    restore(c, d, 0, "");
    end_well(c, d);
}

static void test_less(Case *c)
{
    handed_over(c, c->io.ops == &vtd_ops ? "esrtps" : "ril", 1, 0, "CAP-1");
}

/* What the loss does to DMA is no finding of its own. */
static void test_follows(Case *c)
{
    uint64_t iova = c->kind->iova;
    IommuDomain *d = claimed(c, 0, true);

    jump(c);
    change(c, "fwb", 0);
    restore(c, d, 0, "CAP-1");
    case_read(c, 0, iova);
    case_expect(c, "");
    change(c, "fwb", 1);
    end_well(c, d);
}

/* ------------------------------------------------------------------ */
/* What a domain is taken for                                         */

static void taken_for(Case *c, unsigned prot, bool fwb, unsigned use,
                      const char *rule)
{
    IommuDomain *d = claimed(c, prot, fwb);

    jump(c);
    restore(c, d, LU_CTL_USE_KNOWN | use, rule);
    end_well(c, d);
}

#define COHERENT    LU_CTL_USE_COHERENT
#define FWB         LU_CTL_USE_FWB
#define SNOOPED     LU_CTL_USE_SNOOPED

static void test_taken_for(Case *c)
{
    bool arm = c->io.ops == &smmuv3_ops;
    /* Neither driver's tables are other than this. */
    unsigned use = arm ? COHERENT : 0;

    taken_for(c, 0, false, use, "");
    taken_for(c, 0, false, use ^ COHERENT, "CAP-2");
    taken_for(c, 0, false, use ^ SNOOPED, "CAP-2");
    if (arm && c->kind->kind != IOMMU_S1) {
        taken_for(c, 0, false, use ^ FWB, "CAP-2");
        taken_for(c, 0, true, use, "CAP-2");
        taken_for(c, 0, true, use ^ FWB, "");
    } else if (!arm) {
        taken_for(c, PG_SNOOP, false, SNOOPED, "");
        taken_for(c, PG_SNOOP, false, 0, "CAP-2");
    }
}

static void test_taken_right(Case *c)
{
    taken_for(c, 0, false, c->io.ops == &smmuv3_ops ? COHERENT : 0, "");
}

/* ------------------------------------------------------------------ */
/* What the next kernel cannot have                                   */

static IommuDomain *refused(Case *c, bool late)
{
    IommuDomain *d = claimed(c, 0, false);

    jump(c);
    if (late) {
        restore(c, d, 0, "");
    }
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_REFUSE, d->tag), ==,
                     LU_CTL_OK);
    /* Until something is done about it, it runs as it did. */
    g_assert_true(case_read(c, 0, c->kind->iova).landed);
    case_expect(c, "");
    return d;
}

static void assert_refused(Case *c)
{
    QDict *response = qtest_qmp(c->pq.qts, "{ 'execute': 'query-lu' }");
    g_autoptr(GString) reasons = qobject_to_json(
        qdict_get(qdict_get_qdict(response, "return"), "reasons"));

    g_assert_nonnull(strstr(reasons->str, "has refused the claim of token"));
    qobject_unref(response);
}

static void test_blocked(Case *c)
{
    for (int late = 0; late < 2; late++) {
        IommuDomain *d = refused(c, late);

        case_detach(c, 0);
        g_assert_false(case_read(c, 0, c->kind->iova).landed);
        finish(c, d);
        case_expect(c, "");
        assert_refused(c);
    }
}

/* It was to be blocked, and reaches all of memory. */
static void test_bypassed(Case *c)
{
    uint64_t page = case_page(c);

    for (int late = 0; late < 2; late++) {
        IommuDomain *d = refused(c, late), *all = case_domain(c);

        all->kind = IOMMU_BYPASS;
        case_detach(c, 0);
        case_expect(c, "");
        case_attach(c, 0, all);
        case_expect(c, "CAP-6");
        case_reaches(c, 0, page, page);
        finish(c, d);
        case_expect(c, "");
        case_detach(c, 0);
    }
}

static void test_still_there(Case *c)
{
    IommuDomain *d = refused(c, false);

    finish(c, d);
    case_expect(c, "CAP-6");
    case_detach(c, 0);
}

static void test_other_tables(Case *c)
{
    IommuDomain *d = refused(c, true), *other = case_domain(c);

    case_map(c, other, c->kind->iova, case_page(c), 0);
    case_detach(c, 0);
    case_attach(c, 0, other);
    case_expect(c, "CAP-6");
    finish(c, d);
    case_expect(c, "");
    case_detach(c, 0);
}

/* Refused is what is there to be had, or was restored. */
static void test_refuse_when(Case *c)
{
    IommuDomain *d = claimed(c, 0, false);

    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_REFUSE, d->tag), ==,
                     LU_CTL_ESTATE);
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_REFUSE, 0xdead), ==,
                     LU_CTL_ENOENT);
    jump(c);
    restore(c, d, 0, "");
    end_well(c, d);
}

/* ------------------------------------------------------------------ */
/* The command                                                        */

static void assert_error(QTestState *qts, const char *capability,
                         unsigned value, const char *part)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'lu-change-capability',"
                                " 'arguments': { 'iommu': 'iommu0',"
                                " 'capability': %s, 'value': %u } }",
                                capability, value);
    const char *desc = qdict_get_str(qdict_get_qdict(response, "error"),
                                     "desc");

    g_assert_nonnull(strstr(desc, part));
    qobject_unref(response);
}

#define SMMU_IDR3   0x0c00000c
#define VTD_CAP_HI  0xfed9000c

/* The register says so, and what was is back after a reset. */
static void test_command(void)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    QTestState *qts = qtest_initf(
        "-nodefaults -object lu-monitor,id=lu0,exit-code=off %s,id=iommu0",
        x86 ? "-M q35 -device intel-iommu-lu"
            : "-M virt -cpu max -device arm-smmuv3-lu,primary-bus=pcie.0");
    uint64_t reg = x86 ? VTD_CAP_HI : SMMU_IDR3;
    uint32_t bit = x86 ? BIT(31) : BIT(10);     /* ESRTPS; RIL */
    const char *name = x86 ? "esrtps" : "ril";

    assert_error(qts, name, 2, "it has 1 bits");
    assert_error(qts, "speed", 1, name);
    g_assert_cmphex(qtest_readl(qts, reg) & bit, ==, bit);
    change_in(qts, name, 0);
    g_assert_cmphex(qtest_readl(qts, reg) & bit, ==, 0);
    qtest_system_reset(qts);
    g_assert_cmphex(qtest_readl(qts, reg) & bit, ==, bit);
    lu_qtest_quit(qts);
}

/* ------------------------------------------------------------------ */
/* What the IORT says                                                 */

#define FW_CFG          0x09020000
#define FW_CFG_DMA      (FW_CFG + 16)
#define FW_CFG_DIR      0x19
#define DMA_READ        (1 << 1)
#define DMA_SELECT      (1 << 3)
#define SCRATCH         0x40100000
#define DIR_ENTRY       64

/* As a firmware reads it; the caller's. */
static uint8_t *fw_cfg_read(QTestState *qts, uint16_t key, size_t len)
{
    uint8_t *data = g_malloc(len);
    uint32_t request[4] = {
        cpu_to_be32(key << 16 | DMA_SELECT | DMA_READ), cpu_to_be32(len), 0,
        cpu_to_be32(SCRATCH + 16),
    };

    qtest_memwrite(qts, SCRATCH, request, sizeof(request));
    qtest_writeq(qts, FW_CFG_DMA, cpu_to_be64(SCRATCH));
    qtest_memread(qts, SCRATCH + 16, data, len);
    return data;
}

/* The file's contents, and their size in *@len. */
static uint8_t *fw_cfg_file(QTestState *qts, const char *name, size_t *len)
{
    g_autofree uint8_t *count = fw_cfg_read(qts, FW_CFG_DIR, 4);
    unsigned n = ldl_be_p(count);
    g_autofree uint8_t *dir = fw_cfg_read(qts, FW_CFG_DIR, 4 + n * DIR_ENTRY);

    for (uint8_t *e = dir + 4; n--; e += DIR_ENTRY) {
        if (g_str_equal((char *)e + 8, name)) {
            *len = ldl_be_p(e);
            return fw_cfg_read(qts, lduw_be_p(e + 4), *len);
        }
    }
    g_assert_not_reached();
}

static void assert_iort(QTestState *qts, bool coherent, bool canwbs)
{
    size_t len;
    g_autofree uint8_t *loader = fw_cfg_file(qts, "etc/table-loader", &len);
    g_autofree uint8_t *all = fw_cfg_file(qts, "etc/acpi/tables", &len);
    const uint8_t *iort = memmem(all, len, "IORT", 4);
    unsigned smmus = 0, roots = 0;

    g_assert_nonnull(iort);
    len = ldl_le_p(iort + 4);
    for (size_t at = ldl_le_p(iort + 40); at < len;
         at += lduw_le_p(iort + at + 1)) {
        const uint8_t *node = iort + at;

        if (node[0] == 4) {     /* SMMUv3: flags */
            g_assert_cmpint(ldl_le_p(node + 24) & 1, ==, coherent);
            smmus++;
        } else if (node[0] == 2) {  /* root complex: memory access flags */
            g_assert_cmpint(node[23], ==, canwbs ? 7 : 3);
            roots++;
        }
    }
    g_assert_cmpuint(smmus, ==, 1);
    g_assert_cmpuint(roots, ==, 1);
}

static void test_iort(const void *data)
{
    unsigned how = GPOINTER_TO_UINT(data);
    bool coherent = how & 1, canwbs = how & 2;
    QTestState *qts = qtest_initf(
        "-nodefaults -M virt -m 64 -cpu max -device arm-smmuv3-lu,"
        "primary-bus=pcie.0,cohacc=%s,canwbs=%s", coherent ? "on" : "off",
        canwbs ? "on" : "off");

    assert_iort(qts, coherent, canwbs);
    assert_iort(qts, coherent, canwbs);
    qtest_system_reset(qts);
    assert_iort(qts, coherent, canwbs);
    lu_qtest_quit(qts);
}

static void add_iort(void)
{
    for (unsigned how = 0; how < 4; how++) {
        g_autofree char *name = g_strdup_printf(
            "lu-caps/iort/%scoherent%s", how & 1 ? "" : "in",
            how & 2 ? "-canwbs" : "");

        qtest_add_data_func(name, GUINT_TO_POINTER(how), test_iort);
    }
}

int main(int argc, char **argv)
{
    static const char smmu[] = ",fwb=on,oas=48,sidsize=20,ssidsize=8";
    static const char vtd[] = ",snoop-control=on,aw-bits=57";
    static const char scalable[] = ",snoop-control=on,smpwc=on,aw-bits=57,"
                                   "x-pasid-mode=on,pss=9";
    static const char arm_kinds[] = "s1-4k s2-4k nested-4k";

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-caps/command", test_command);
    if (g_str_equal(qtest_get_arch(), "aarch64")) {
        add_iort();
    }
    case_add("lu-caps", "each", "s2-4k", smmu, test_smmu);
    case_add("lu-caps", "follows", "s2-4k nested-4k", smmu, test_follows);
    case_add("lu-caps", "same", arm_kinds, smmu, test_same);
    case_add("lu-caps", "less", arm_kinds, smmu, test_less);
    case_add("lu-caps", "taken-for", arm_kinds, smmu, test_taken_for);
    case_add("lu-caps", "taken-right", arm_kinds, smmu, test_taken_right);
    case_add("lu-caps", "blocked", arm_kinds, smmu, test_blocked);
    case_add("lu-caps", "bypassed", arm_kinds, smmu, test_bypassed);
    case_add("lu-caps", "still-there", arm_kinds, smmu, test_still_there);
    case_add("lu-caps", "other-tables", arm_kinds, smmu, test_other_tables);
    case_add("lu-caps", "refuse-when", "s1-4k", smmu, test_refuse_when);

    case_add("lu-caps", "same", "ss-legacy", vtd, test_same);
    case_add("lu-caps", "less", "ss-legacy", vtd, test_less);
    case_add("lu-caps", "taken-for", "ss-legacy", vtd, test_taken_for);
    case_add("lu-caps", "taken-right", "ss-legacy", vtd, test_taken_right);
    case_add("lu-caps", "blocked", "ss-legacy", vtd, test_blocked);
    case_add("lu-caps", "bypassed", "ss-legacy", vtd, test_bypassed);
    case_add("lu-caps", "still-there", "ss-legacy", vtd, test_still_there);
    case_add("lu-caps", "other-tables", "ss-legacy", vtd, test_other_tables);
    case_add("lu-caps", "each", "ss-scalable", scalable, test_vtd);
    return case_run();
}
