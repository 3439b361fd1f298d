import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../cluster/client.ts';
import type { Resource } from '../../cluster/resources.ts';
import type { KubeObject } from '../../model/objects.ts';

interface WithStatus extends KubeObject {
  readonly status?: object;
}

/**
 * Writes a status if it differs from the one there is; zero and absent counts are the same. Returns the object as the
 * server has it now, or undefined when nothing had to be written.
 */
export async function writeStatus<T extends WithStatus>(
  client: Client,
  resource: Resource<T>,
  { object, status }: { object: T; status: NonNullable<T['status']> },
): Promise<T | undefined> {
  if (isSameStatus(object.status ?? {}, status)) return undefined;
  return client.updateStatus(resource, { ...object, status });
}

/** Equality that takes an absent count for zero. */
export function isSameStatus(a: object, b: object): boolean {
  return isDeepStrictEqual(withoutZeros(a), withoutZeros(b));
}

function withoutZeros(status: object): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined && value !== 0));
}
