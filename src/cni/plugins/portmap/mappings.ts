/** The host ports of one attachment, decided: elements and rules of the table. Pure. */
import { type Rule, rule } from '../../../kernel/nftables/objects.ts';
import { ip, ip6, meta, th } from '../../../kernel/nftables/expressions.ts';
import { type Statement, dnat, match } from '../../../kernel/nftables/statements.ts';
import { type Cidr, type IpFamily, formatCidr, formatIp, parseIp, tryParseCidr } from '../../../model/ip.ts';
import { PodnetError } from '../../../model/errors.ts';
import type { PortMapping } from '../../spec/runtime-config.ts';
import { describeOwner, ownerOf, type OwnerIdentity } from '../../attachment/owner.ts';
import {
  type Holding,
  type Holdings,
  type Wanted,
  fieldText,
  holdingText,
  keyOf,
} from '../../attachment/owned-table.ts';
import { conditional, portmapFamilies } from './table.ts';

/** Which connections to the host ports look to the container as if they came from the node. */
export type Masquerading =
  /** Those whose answers would not find the way back: from the container, its neighbours, and loopback addresses. */
  | 'needed'
  /** All. */
  | 'all'
  /** None; the host ports do not work from the container, its neighbours and loopback addresses then. */
  | 'none';

export interface PortmapAttachment extends OwnerIdentity {
  /** `ADDRESS/PREFIXLENGTH`; of each IP family the first counts. Who is within the prefix is a neighbour. */
  readonly addresses: readonly string[];
  readonly mappings: readonly PortMapping[];
  /** `needed` unless told. */
  readonly masquerading?: Masquerading;
  /** What packets must be like besides, by IP family. */
  readonly conditions?: Readonly<Partial<Record<IpFamily, readonly Statement[]>>>;
}

interface Container {
  readonly family: IpFamily;
  readonly address: string;
  readonly network: Cidr;
}

/** @throws RangeError for an address that is none; PodnetError when a host port is mapped twice */
export function portmapPlan(attachment: PortmapAttachment): Wanted {
  const owner = ownerOf(attachment);
  const { mappings, masquerading = 'needed', conditions } = attachment;
  const elements: Holding[] = [];
  const rules: Rule[] = [];
  for (const container of containersOf(attachment.addresses)) {
    const own = mappings.filter((mapping) => opensOn(mapping, container.family));
    if (own.length === 0) continue;
    const { hairpin, everyone } = portmapFamilies[container.family];
    const extra = conditions?.[container.family] ?? [];
    for (const mapping of own) {
      if (extra.length > 0) rules.push(conditionalRule(mapping, container, extra, owner));
      else elements.push(mapElement(mapping, container, owner));
      if (masquerading === 'all') {
        const key = [container.address, mapping.protocol, mapping.containerPort, mapping.hostPort];
        elements.push({ set: everyone, element: { key, comment: owner } });
      }
    }
    if (masquerading === 'none') continue;
    const key = [prefixText(container.network), container.address];
    elements.push({ set: hairpin, element: { key, comment: owner } });
  }
  return { elements: withoutRepetition(elements), rules };
}

/** @throws PodnetError when one host port leads to two ports of the container */
function withoutRepetition(elements: readonly Holding[]): Holding[] {
  const unique = new Map<string, Holding>();
  for (const each of elements) {
    const other = unique.get(keyOf(each));
    if (other && holdingText(other) !== holdingText(each)) {
      const [protocol, hostPort] = each.element.key.slice(-2).map(fieldText);
      throw new PodnetError(`Host port ${hostPort}/${protocol} is mapped twice`, {
        code: 'host-port-twice',
        where: `portMappings: hostPort ${hostPort}`,
        fix: 'Map each host port to one port of the container.',
      });
    }
    unique.set(keyOf(each), each);
  }
  return [...unique.values()];
}

function containersOf(addresses: readonly string[]): Container[] {
  const containers = new Map<IpFamily, Container>();
  for (const text of addresses) {
    const parsed = tryParseCidr(text);
    if (!parsed) throw new RangeError(`${text} is no address with its prefix length`);
    const { address, network } = parsed;
    if (containers.has(address.family)) continue;
    containers.set(address.family, { family: address.family, address: formatIp(address), network });
  }
  return [...containers.values()];
}

/** A prefix of full length is read back from the kernel as an address. */
function prefixText(network: Cidr): string {
  const text = formatCidr(network);
  return network.prefixLength === (network.family === 4 ? 32 : 128) ? formatIp(network) : text;
}

function opensOn({ hostPort, hostIP }: PortMapping, family: IpFamily): boolean {
  return hostPort > 0 && (hostIP === undefined || hostIP === '' || parseIp(hostIP).family === family);
}

/** The one address the port opens on, unless it opens on all. */
function hostAddress({ hostIP }: PortMapping): string | undefined {
  if (hostIP === undefined || hostIP === '') return undefined;
  const address = parseIp(hostIP);
  return address.value === 0n ? undefined : formatIp(address);
}

function mapElement(mapping: PortMapping, { family, address }: Container, owner: string): Holding {
  const host = hostAddress(mapping);
  const front = [mapping.protocol, mapping.hostPort];
  const { at, any } = portmapFamilies[family];
  return {
    set: host === undefined ? any : at,
    element: {
      key: host === undefined ? front : [host, ...front],
      value: [address, mapping.containerPort],
      comment: owner,
    },
  };
}

function conditionalRule(
  mapping: PortMapping,
  { family, address }: Container,
  extra: readonly Statement[],
  owner: string,
): Rule {
  const host = hostAddress(mapping);
  const header = family === 4 ? ip : ip6;
  const statements: Statement[] = [
    match(meta.nfproto, '==', family === 4 ? 'ipv4' : 'ipv6'),
    ...(host === undefined ? [] : [match(header.daddr, '==', host)]),
    match(meta.l4proto, '==', mapping.protocol),
    match(th.dport, '==', mapping.hostPort),
    ...extra,
    dnat({ family: family === 4 ? 'ip' : 'ip6', to: address, port: mapping.containerPort }),
  ];
  return rule(conditional, statements, { comment: owner });
}

/** A mapping as the table has it. */
export interface HeldMapping {
  readonly family: IpFamily;
  readonly protocol: string;
  readonly hostPort: number;
  /** Undefined for all addresses of the node. */
  readonly hostAddress: string | undefined;
  readonly address: string;
  readonly containerPort: number;
  readonly owner: string;
}

/** The mappings without conditions among these elements. */
export function heldMappings(holdings: Pick<Holdings, 'elements'>): HeldMapping[] {
  return holdings.elements.flatMap(({ set, element }): HeldMapping[] => {
    const family = set.name.endsWith('4') ? 4 : 6;
    const { at, any } = portmapFamilies[family];
    if ((set.name !== at.name && set.name !== any.name) || !Array.isArray(element.value)) return [];
    const [protocol = '', hostPort] = element.key.slice(-2).map(fieldText);
    const [first] = element.key.map(fieldText);
    const [address, containerPort] = element.value;
    return [
      {
        family,
        protocol,
        hostPort: Number(hostPort),
        hostAddress: set.name === at.name ? first : undefined,
        address: String(address),
        containerPort: Number(containerPort),
        owner: element.comment ?? '',
      },
    ];
  });
}

/** @throws PodnetError when another container has one of the host ports, as bind(2) would see it */
export function refuseTakenPorts(owner: string, wanted: Wanted, holdings: Holdings): void {
  const others = heldMappings(holdings).filter((each) => each.owner !== owner);
  for (const mine of heldMappings(wanted)) {
    const other = others.find(
      (each) =>
        each.family === mine.family &&
        each.protocol === mine.protocol &&
        each.hostPort === mine.hostPort &&
        (each.hostAddress === undefined ||
          mine.hostAddress === undefined ||
          each.hostAddress === mine.hostAddress),
    );
    if (other) throw takenPort(mine, other.owner);
  }
}

function takenPort({ hostPort, protocol, hostAddress: host }: HeldMapping, other: string): PodnetError {
  const on = host === undefined ? '' : ` on ${host}`;
  return new PodnetError(`Host port ${hostPort}/${protocol}${on} is taken by ${describeOwner(other)}`, {
    code: 'host-port-taken',
    where: `portMappings: hostPort ${hostPort}`,
    fix: 'Choose another host port, or remove the other container first.',
  });
}
