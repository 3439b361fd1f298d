import type { Endpoint, EndpointSlice } from './objects.ts';

/** The label that says which Service of its namespace a slice belongs to (discovery.k8s.io/v1). */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** The key of the Service a slice belongs to; undefined for a slice of no Service. */
export function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata?.labels?.[SERVICE_NAME_LABEL];
  return name ? `${metadata?.namespace ?? 'default'}/${name}` : undefined;
}

/** The zones an endpoint is meant for; none when it has no such hint. */
export function hintedZones({ hints }: Endpoint): readonly string[] {
  return (hints?.forZones ?? []).map(({ name }) => name);
}

/** The nodes an endpoint is meant for; none when it has no such hint. */
export function hintedNodes({ hints }: Endpoint): readonly string[] {
  return ((hints as { forNodes?: { name: string }[] } | undefined)?.forNodes ?? []).map(({ name }) => name);
}

/** `hints` with the field that came after the types we have (Kubernetes 1.33). */
export type EndpointHints = NonNullable<Endpoint['hints']> & {
  forNodes?: readonly { readonly name: string }[];
};
