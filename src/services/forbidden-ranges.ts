import { type Cidr, cidrContains, parseCidr, tryParseIp } from '../model/ip.ts';

const RANGES: readonly (readonly [cidr: string, name: string])[] = [
  ['0.0.0.0/8', 'the range of "this network"'],
  ['127.0.0.0/8', 'the loopback range'],
  ['169.254.0.0/16', 'the link-local range'],
  ['224.0.0.0/4', 'the multicast range'],
  ['255.255.255.255/32', 'the range of broadcast'],
  ['::/128', 'the range of the unspecified address'],
  ['::1/128', 'the loopback range'],
  ['::ffff:0:0/96', 'the range of IPv4 addresses in IPv6'],
  ['fe80::/10', 'the link-local range'],
  ['ff00::/8', 'the multicast range'],
];
const PARSED: readonly (readonly [Cidr, string])[] = RANGES.map(([cidr, name]) => [
  parseCidr(cidr),
  `${name} ${cidr}`,
]);

/**
 * The range an address lies in that no Service may have for its own and no endpoint either, for traffic there would
 * be a way into what only the node itself may reach (as the API server's own validation of EndpointSlices has it).
 */
export function forbiddenRange(address: string): string | undefined {
  // Two in three addresses of a cluster: this is asked for every endpoint.
  if (address.startsWith('10.') || address.startsWith('fd')) return undefined;
  const ip = tryParseIp(address);
  if (ip === undefined) return undefined;
  return PARSED.find(([cidr]) => cidrContains(cidr, ip))?.[1];
}
