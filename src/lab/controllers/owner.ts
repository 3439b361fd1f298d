import { apiVersionOf, type Resource } from '../../cluster/resources.ts';
import type { KubeObject, OwnerReference } from '../../model/objects.ts';

/** The owner that manages the object, if one does. */
export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata?.ownerReferences?.find(({ controller }) => controller === true);
}

/** The reference by which `owner` manages other objects. */
export function controllerReference<T extends KubeObject>(resource: Resource<T>, owner: T): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function uidOf({ metadata }: KubeObject): string {
  return metadata?.uid ?? '';
}
