import type { Node, Pod } from './objects.ts';

interface Conditions {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Whether the object's `status.conditions` has the type with status True. A condition that is absent is not true. */
export function hasCondition({ status }: Conditions, wanted: string): boolean {
  return status?.conditions?.some(({ type, status: state }) => type === wanted && state === 'True') ?? false;
}

export function isPodReady(pod: Pod): boolean {
  return hasCondition(pod, 'Ready');
}

/** False too for a node that has not reported yet. */
export function isNodeReady(node: Pick<Node, 'status'>): boolean {
  return hasCondition(node, 'Ready');
}
