import { gatewayGroup, type ReferenceGrant } from './objects.ts';

/** A reference out of the namespace that it stands in. */
export interface CrossReference {
  readonly from: { readonly kind: string; readonly namespace: string };
  readonly to: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string };
}

/** Whether the namespace that is referred to allows it. Within one namespace nothing need be granted. */
export function isGranted({ from, to }: CrossReference, grants: readonly ReferenceGrant[]): boolean {
  if (from.namespace === to.namespace) return true;
  return grants.some(
    ({ metadata, spec }) =>
      metadata?.namespace === to.namespace &&
      spec.from.some(
        (each) => each.group === gatewayGroup && each.kind === from.kind && each.namespace === from.namespace,
      ) &&
      spec.to.some((each) => each.group === to.group && each.kind === to.kind && (each.name || to.name) === to.name),
  );
}
