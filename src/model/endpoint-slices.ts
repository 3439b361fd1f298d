import type { EndpointSlice } from './objects.ts';

/** The label that says which Service of its namespace a slice belongs to (discovery.k8s.io/v1). */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** The key of the Service a slice belongs to; undefined for a slice of no Service. */
export function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata?.labels?.[SERVICE_NAME_LABEL];
  return name ? `${metadata?.namespace ?? 'default'}/${name}` : undefined;
}
