/** Services in the shape kube-proxy gives nftables, loaded as it does: written as text and read by `nft -f -`. */
import { execFileSync } from 'node:child_process';
import { type Netns, withNetns } from '../../src/kernel/netns.ts';

/** A Service of one TCP port. */
export interface ShapeService {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly endpoints: readonly string[];
  readonly targetPort: number;
}

/** What fits the socket's send buffer, which nft cannot raise in a user namespace. */
const BATCH = 40;

const HEADER = [
  'table ip kube-proxy {',
  ' map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }',
  ' chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }',
  ' chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }',
  ' chain nat-output { type nat hook output priority -100; jump services; }',
  ' chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark and 0x4000 != 0 masquerade; }',
  ' chain mark-for-masquerade { meta mark set meta mark or 0x4000; }',
  '}',
];

/** A chain for every Service and for every endpoint, found by one verdict map. */
export function loadKubeProxyShape(netns: Netns, services: readonly ShapeService[]): void {
  nft(netns, HEADER);
  for (let first = 0; first < services.length; first += BATCH) {
    nft(netns, services.slice(first, first + BATCH).flatMap(serviceCommands));
  }
}

/** Gives a Service's last endpoint another address. */
export function moveKubeProxyEndpoint(netns: Netns, service: ShapeService, address: string): void {
  const last = service.endpoints.length - 1;
  const chain = `flush chain ip kube-proxy ${endpointChain(service, last)}`;
  nft(netns, [chain, ...endpointRules(service, last, address)]);
}

function serviceCommands(service: ShapeService): string[] {
  const { name, address, port, endpoints } = service;
  const chains = endpoints.map((_, index) => endpointChain(service, index));
  const choices = chains.map((chain, index) => `${index} : goto ${chain}`).join(', ');
  return [
    ...endpoints.flatMap((endpoint, index) => [
      `add chain ip kube-proxy ${chains[index]}`,
      ...endpointRules(service, index, endpoint),
    ]),
    `add chain ip kube-proxy ${name}`,
    `add rule ip kube-proxy ${name} ip daddr ${address} tcp dport ${port} ip saddr != 10.0.0.0/8 jump mark-for-masquerade`,
    `add rule ip kube-proxy ${name} numgen random mod ${endpoints.length} vmap { ${choices} }`,
    `add element ip kube-proxy service-ips { ${address} . tcp . ${port} : goto ${name} }`,
  ];
}

function endpointRules(service: ShapeService, index: number, address: string): string[] {
  const chain = endpointChain(service, index);
  return [
    `add rule ip kube-proxy ${chain} ip saddr ${address} jump mark-for-masquerade`,
    `add rule ip kube-proxy ${chain} meta l4proto tcp dnat to ${address}:${service.targetPort}`,
  ];
}

function endpointChain({ name }: ShapeService, index: number): string {
  return `endpoint-${name}-${index}`;
}

function nft(netns: Netns, lines: readonly string[]): void {
  withNetns(netns, () => execFileSync('nft', ['-f', '-'], { input: `${lines.join('\n')}\n` }));
}
