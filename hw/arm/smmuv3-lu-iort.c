/*
 * arm-smmuv3-lu: what the IORT says of coherency (Arm DEN 0049, 3.1.1.2 and
 * 3.1.1.7).  QEMU's virt machine calls every SMMU and every root complex
 * coherent, and none ignores No_snoop; Linux believes that, not IDR0.
 *
 * The tables are made anew when the firmware selects them for the first time
 * after a reset.  So they are selected here, and then changed: the firmware
 * finds them made.  It sums them up itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "exec/cpu-common.h"
#include "hw/acpi/aml-build.h"
#include "hw/nvram/fw_cfg.h"
#include "smmuv3-lu-internal.h"

/* Where QEMU keeps what the firmware reads as ACPI_BUILD_TABLE_FILE. */
#define TABLES_BLOCK        "/rom@" ACPI_BUILD_TABLE_FILE

#define HEADER_BYTES        36
#define IORT_FIRST          40      /* where the first node is */

#define NODE_TYPE           0
#define   NODE_ROOT_COMPLEX 2
#define   NODE_SMMUV3       4
#define NODE_BYTES          1
#define NODE_MAPPINGS       8       /* how many; then where the first is */
#define NODE_FIRST_MAPPING  12
#define MAPPING_BYTES       20
#define MAPPING_OUTPUT      12      /* the node that is meant */
#define ROOT_MEMORY_FLAGS   23
#define   MEMORY_CANWBS     (1 << 2)
#define ROOT_BYTES          32
#define SMMU_BASE           16
#define SMMU_FLAGS          24
#define   SMMU_COHERENT     (1 << 0)
#define SMMU_BYTES          68

typedef struct Table {
    uint8_t *at;
    size_t len;
} Table;

/* The IORT, wherever it begins in @all. */
static Table find_iort(Table all)
{
    for (size_t i = 0; i + HEADER_BYTES <= all.len; i++) {
        Table t = { all.at + i, ldl_le_p(all.at + i + 4) };

        if (!memcmp(t.at, "IORT", 4) && t.len >= IORT_FIRST + 4 &&
            t.len <= all.len - i) {
            return t;
        }
    }
    return (Table) { };
}

/* Offset of the next node behind *@node, or 0; at first *@node is 0. */
static size_t next_node(Table iort, size_t node)
{
    size_t next = node ? node + lduw_le_p(iort.at + node + NODE_BYTES)
                       : ldl_le_p(iort.at + IORT_FIRST);
    size_t bytes;

    if (next <= node || next + MAPPING_BYTES > iort.len) {
        return 0;
    }
    bytes = lduw_le_p(iort.at + next + NODE_BYTES);
    return bytes >= MAPPING_BYTES && bytes <= iort.len - next ? next : 0;
}

static size_t find_smmu(Table iort, uint64_t base)
{
    size_t node = 0;

    while ((node = next_node(iort, node))) {
        const uint8_t *at = iort.at + node;

        if (at[NODE_TYPE] == NODE_SMMUV3 &&
            lduw_le_p(at + NODE_BYTES) >= SMMU_BYTES &&
            ldq_le_p(at + SMMU_BASE) == base) {
            return node;
        }
    }
    return 0;
}

/* Whether some of the root complex at @node goes through that at @smmu. */
static bool leads_to(Table iort, size_t node, size_t smmu)
{
    const uint8_t *at = iort.at + node;
    size_t len = lduw_le_p(at + NODE_BYTES);
    size_t n = ldl_le_p(at + NODE_MAPPINGS);
    size_t first = ldl_le_p(at + NODE_FIRST_MAPPING);

    for (size_t i = 0; i < n && first + (i + 1) * MAPPING_BYTES <= len; i++) {
        if (ldl_le_p(at + first + i * MAPPING_BYTES + MAPPING_OUTPUT) ==
            smmu) {
            return true;
        }
    }
    return false;
}

static void tell(SMMUv3LUState *s, Table iort)
{
    size_t smmu = find_smmu(iort, smmuv3_lu_registers_address(s)), node = 0;

    if (smmu && !s->cohacc) {
        uint8_t *flags = iort.at + smmu + SMMU_FLAGS;

        stl_le_p(flags, ldl_le_p(flags) & ~SMMU_COHERENT);
    }
    while (smmu && s->canwbs && (node = next_node(iort, node))) {
        if (iort.at[node + NODE_TYPE] == NODE_ROOT_COMPLEX &&
            lduw_le_p(iort.at + node + NODE_BYTES) >= ROOT_BYTES &&
            leads_to(iort, node, smmu)) {
            iort.at[node + ROOT_MEMORY_FLAGS] |= MEMORY_CANWBS;
        }
    }
}

/* What QEMU does when the firmware selects @key. */
static void select_key(FWCfgState *fw_cfg, uint16_t key)
{
    FWCfgMemState *mem = FW_CFG_MEM(fw_cfg);

    memory_region_dispatch_write(&mem->ctl_iomem, 0, key, MO_16 | MO_BE,
                                 MEMTXATTRS_UNSPECIFIED);
}

static bool make_tables(FWCfgState *fw_cfg)
{
    for (uint32_t i = 0; i < be32_to_cpu(fw_cfg->files->count); i++) {
        const FWCfgFile *file = &fw_cfg->files->f[i];

        if (!strcmp(file->name, ACPI_BUILD_TABLE_FILE)) {
            select_key(fw_cfg, be16_to_cpu(file->select));
            select_key(fw_cfg, FW_CFG_SIGNATURE);
            return true;
        }
    }
    return false;
}

void smmuv3_lu_iort_reset(SMMUv3LUState *s)
{
    FWCfgState *fw_cfg = fw_cfg_find();
    RAMBlock *block = qemu_ram_block_by_name(TABLES_BLOCK);
    Table iort;

    if ((s->cohacc && !s->canwbs) || !block || !fw_cfg || !fw_cfg->files ||
        !make_tables(fw_cfg)) {
        return;
    }
    iort = find_iort((Table) {
        .at = qemu_ram_get_host_addr(block),
        .len = qemu_ram_get_used_length(block),
    });
    if (iort.len) {
        tell(s, iort);
    }
}
