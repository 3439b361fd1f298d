import { formatIp, tryParseIp } from './ip.ts';
import type { Node, Pod } from './objects.ts';

/** Every address of a pod in its canonical form, IPv4 first as the kubelet lists them; none before it has any. */
export function podAddresses({ status }: Pick<Pod, 'status'>): string[] {
  const { podIPs = [], podIP } = status ?? {};
  const listed = canonical(podIPs.map(({ ip }) => ip));
  return listed.length > 0 ? listed : canonical([podIP]);
}

/** Every InternalIP of a node in its canonical form. What is no address is left out. */
export function nodeAddresses({ status }: Pick<Node, 'status'>): string[] {
  return canonical(
    (status?.addresses ?? []).map(({ type, address }) => (type === 'InternalIP' ? address : undefined)),
  );
}

function canonical(addresses: readonly (string | undefined)[]): string[] {
  return addresses.flatMap((address) => {
    const ip = address ? tryParseIp(address) : undefined;
    return ip ? [formatIp(ip)] : [];
  });
}
