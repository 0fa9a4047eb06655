import type { FieldError } from '../../kind.ts';
import type { Container, Volume } from '../../types.ts';
import { all, each, invalid, notFound, required } from '../errors.ts';

type Device = NonNullable<Container['volumeDevices']>[number];

/** Volumes that a container has as block devices. `mountable`: the pod's volumes that nothing is wrong with. */
export function validateDevices(
  { volumeDevices = [], volumeMounts = [] }: Container,
  field: string,
  mountable: ReadonlyMap<string, Volume>,
): FieldError[] {
  return each(volumeDevices, field, (device, at, i) => {
    const { name = '', devicePath: path = '' } = device;
    const before = volumeDevices.slice(0, i);
    const inMounts = 'must not already exist in volumeMounts';
    const pathInMounts = 'must not already exist as a path in volumeMounts';
    return all(
      validateDeviceVolume(device, `${at}.name`, mountable),
      name !== '' && before.some((one) => one.name === name) && [invalid(`${at}.name`, name, 'must be unique')],
      volumeMounts.some((one) => one.name === name) && [invalid(`${at}.name`, name, inMounts)],
      validateDevicePath(path, before, `${at}.devicePath`),
      volumeMounts.some((one) => one.mountPath === path) && [invalid(`${at}.devicePath`, path, pathInMounts)],
    );
  });
}

function validateDeviceVolume(
  { name = '' }: Device,
  field: string,
  mountable: ReadonlyMap<string, Volume>,
): FieldError[] {
  const volume = mountable.get(name);
  const detail = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
  const claimed = volume?.persistentVolumeClaim || volume?.ephemeral;
  return all(
    name === '' && [required(field)],
    !volume && [notFound(field, name)],
    volume && !claimed && [invalid(field, name, detail)],
  );
}

function validateDevicePath(path: string, before: readonly Device[], field: string): FieldError[] {
  return all(
    path === '' && [required(field)],
    before.some((one) => (one.devicePath ?? '') === path) && [invalid(field, path, 'must be unique')],
    path.split('/').includes('..') && [invalid(field, path, "can not contain backsteps ('..')")],
  );
}
