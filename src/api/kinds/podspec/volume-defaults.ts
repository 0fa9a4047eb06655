import type { PersistentVolume, Volume } from '../../types.ts';

type Source = Pick<Volume | NonNullable<PersistentVolume['spec']>, 'iscsi' | 'rbd' | 'azureDisk' | 'scaleIO'>;

/** Defaults of the kinds of storage that are older than CSI, wherever they stand. */
export function setSourceDefaults({ iscsi, rbd, azureDisk, scaleIO }: Source): void {
  if (iscsi) iscsi.iscsiInterface ||= 'default';
  if (rbd) {
    rbd.pool ||= 'rbd';
    rbd.user ||= 'admin';
    rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (azureDisk) {
    azureDisk.cachingMode ||= 'ReadWrite';
    azureDisk.kind ||= 'Shared';
    azureDisk.fsType ??= 'ext4';
    azureDisk.readOnly ??= false;
  }
  if (scaleIO) {
    scaleIO.storageMode ||= 'ThinProvisioned';
    scaleIO.fsType ||= 'xfs';
  }
}
