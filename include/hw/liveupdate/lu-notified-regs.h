/*
 * lu-notified: register map of the device that is told what its IOMMU unmaps,
 * shared by the device model and the programs that drive it.  Freestanding:
 * defines only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_LU_NOTIFIED_REGS_H
#define HW_LIVEUPDATE_LU_NOTIFIED_REGS_H

#define LU_NOTIFIED_VENDOR_ID   0x1234
#define LU_NOTIFIED_DEVICE_ID   0x1d3f

#define LU_NOTIFIED_BAR         0           /* the only one */
#define LU_NOTIFIED_REGS_SIZE   0x1000

/*
 * 32-bit registers, read-only.  It hears of what is unmapped while bus
 * mastering is enabled, and of nothing before and after.
 */
#define LU_NOTIFIED_ID          0x00        /* "LUNO" */
#define   LU_NOTIFIED_ID_VALUE  0x4f4e554c
#define LU_NOTIFIED_RANGES      0x04        /* that it hears of now */
#define LU_NOTIFIED_UNMAPS      0x08        /* that it was told of */
#define LU_NOTIFIED_REFUSED     0x0c        /* ranges it may not hear of */

#endif
