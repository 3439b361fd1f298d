import { isInvalid, isNotFound } from '../../cluster/client.ts';
import type { Resource } from '../../cluster/resources.ts';
import type { KubeObject } from '../../model/objects.ts';
import type { ControllerContext } from './controller.ts';
import { controllerReference, uidOf } from './owner.ts';

export interface Claim<T extends KubeObject, O extends KubeObject> {
  readonly resource: Resource<T>;
  readonly owner: O;
  readonly ownerResource: Resource<O>;
  /** Objects that `owner` controls now. */
  readonly owned: readonly T[];
  /** Objects of the same namespace without a controller. */
  readonly orphans: readonly T[];
  readonly matches: (object: T) => boolean;
}

/**
 * The objects an owner controls: those it has and that match its selector (the others are released), and the orphans
 * that match, which it adopts.
 */
export async function claim<T extends KubeObject, O extends KubeObject>(
  context: ControllerContext,
  { resource, owner, ownerResource, owned, orphans, matches }: Claim<T, O>,
): Promise<readonly T[]> {
  const kept = owned.filter(matches);
  if (owner.metadata?.deletionTimestamp) return kept;
  for (const object of owned) if (!matches(object)) await release(context, { resource, owner, object });
  for (const object of orphans) {
    if (!matches(object) || object.metadata?.deletionTimestamp) continue;
    const adopted = await adopt(context, { resource, owner, ownerResource, object });
    if (adopted) kept.push(adopted);
  }
  return kept;
}

interface Step<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly owner: KubeObject;
  readonly object: T;
}

async function release<T extends KubeObject>(context: ControllerContext, step: Step<T>): Promise<void> {
  const others = (step.object.metadata?.ownerReferences ?? []).filter(({ uid }) => uid !== uidOf(step.owner));
  await patchOwners(context, step, others);
}

function adopt<T extends KubeObject, O extends KubeObject>(
  context: ControllerContext,
  { ownerResource, owner, ...step }: Step<T> & { owner: O; ownerResource: Resource<O> },
): Promise<T | undefined> {
  const reference = controllerReference(ownerResource, owner);
  const ownerReferences = [...(step.object.metadata?.ownerReferences ?? []), reference];
  return patchOwners(context, { ...step, owner }, ownerReferences);
}

/** Undefined when the object is gone, or another of the same name has taken its place. */
async function patchOwners<T extends KubeObject>(
  { client }: ControllerContext,
  { resource, object }: Step<T>,
  ownerReferences: unknown,
): Promise<T | undefined> {
  const { namespace, name = '', uid, resourceVersion } = object.metadata ?? {};
  try {
    const body = { metadata: { uid, resourceVersion, ownerReferences } };
    return await client.patch(resource, { namespace, name }, { type: 'merge', body });
  } catch (error) {
    if (isNotFound(error) || isInvalid(error)) return undefined;
    throw error;
  }
}
