import {
  addToIp,
  canonicalIp,
  cidrAddress,
  cidrContains,
  cidrSize,
  formatCidr,
  formatIp,
  parseCidr,
  tryParseIp,
  type Cidr,
} from '../../../model/ip.ts';
import { invalid, invalidObject, type FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import { internalError } from '../status.ts';
import type { Store } from '../storage/store.ts';
import { createPortPool, portKey } from './port-pool.ts';
import { candidates, staticBand } from './static-band.ts';

/** Addresses and node ports of Services: given once, kept over updates and restarts, free after deletion. */
export interface ServiceAllocator {
  /** The first address of the primary range: that of default/kubernetes. */
  readonly firstAddress: string;
  /** Takes note of what stored Services hold. */
  restore(store: Store): void;
  /**
   * Fills clusterIP(s), families and node ports in place, and returns how to give back what was newly taken. What
   * `old` held and `service` does not need is given back at once, unless this is a dry run.
   * @throws StatusError 422 for what is taken or out of range
   */
  allocate(service: Loose, options: { old: Loose | undefined; dryRun: boolean }): () => void;
  release(service: Loose): void;
}

const FAMILY_NAMES = { 4: 'IPv4', 6: 'IPv6' } as const;

/** One pool: an address range. */
interface AddressPool {
  readonly cidr: Cidr;
  readonly used: Map<string, string>;
}

export function createServiceAllocator({
  serviceCidrs,
  nodePortRange,
}: {
  readonly serviceCidrs: readonly string[];
  readonly nodePortRange: string;
}): ServiceAllocator {
  const pools: AddressPool[] = serviceCidrs.map((text) => ({ cidr: parseCidr(text), used: new Map() }));
  const ports = createPortPool(nodePortRange);
  const [primary] = pools;
  if (primary === undefined) throw new RangeError('A service CIDR is needed');

  function poolOf(address: string): AddressPool | undefined {
    const ip = tryParseIp(address);
    return ip === undefined ? undefined : pools.find(({ cidr }) => cidr.family === ip.family);
  }

  function takeAddress(address: string, owner: string, field: string): FieldError | undefined {
    const pool = poolOf(address);
    const ip = tryParseIp(address);
    if (pool === undefined || ip === undefined) {
      return refusedAddress(field, address, 'not a valid IP address of a family the cluster has');
    }
    const { cidr, used } = pool;
    const last = cidr.value + cidrSize(cidr) - 1n;
    const usable = ip.value !== cidr.value && !(cidr.family === 4 && ip.value === last);
    if (!cidrContains(cidr, ip) || !usable) {
      return refusedAddress(
        field,
        address,
        `provided IP is not in the valid range. The range of valid IPs is ${formatCidr(cidr)}`,
      );
    }
    const key = formatIp(ip);
    if (used.has(key)) return refusedAddress(field, address, 'provided IP is already allocated');
    used.set(key, owner);
    return undefined;
  }

  function nextAddress({ cidr, used }: AddressPool, owner: string): string {
    // Neither the network's own address nor the broadcast address; IPv6 ranges are used as far as 2^16.
    const size = Number(cidrSize(cidr) > 65_536n ? 65_536n : cidrSize(cidr)) - (cidr.family === 4 ? 2 : 1);
    for (const offset of candidates(size, staticBand(size, { divisor: 16, most: 256 }))) {
      const address = formatIp(addToIp(cidrAddress(cidr, 1), offset));
      if (used.has(address)) continue;
      used.set(address, owner);
      return address;
    }
    throw internalError('failed to allocate a serviceIP: range is full');
  }

  function freeAddress(address: string): void {
    const ip = tryParseIp(address);
    if (ip !== undefined) poolOf(address)?.used.delete(formatIp(ip));
  }

  /** Families in order, as policy, families and addresses asked for say. */
  function familiesOf(spec: Loose): (4 | 6)[] {
    const named = listAt(spec, 'ipFamilies').map((family) => (family === 'IPv6' ? 6 : 4));
    const addressed = listAt(spec, 'clusterIPs')
      .map((address) => tryParseIp(String(address))?.family)
      .filter((family) => family !== undefined);
    const families = [...new Set([...named, ...addressed])];
    if (families.length === 0) families.push(primary?.cidr.family ?? 4);
    const policy = spec['ipFamilyPolicy'];
    if (policy !== 'PreferDualStack' && policy !== 'RequireDualStack')
      return families.slice(0, Math.max(1, named.length));
    for (const { cidr } of pools) if (!families.includes(cidr.family)) families.push(cidr.family);
    return families;
  }

  function allocateAddresses(
    service: Loose,
    old: Loose | undefined,
  ): { taken: string[]; errors: FieldError[] } {
    const spec = objectAt(service, 'spec');
    const owner = ownerOf(service);
    const taken: string[] = [];
    const errors: FieldError[] = [];
    if (spec['type'] === 'ExternalName') return { taken, errors };
    const families = familiesOf(spec);
    const missing = families.find((family) => !pools.some(({ cidr }) => cidr.family === family));
    if (missing !== undefined) {
      errors.push(invalid('spec.ipFamilies[0]', FAMILY_NAMES[missing], 'not configured on this cluster'));
      return { taken, errors };
    }
    if (spec['ipFamilyPolicy'] === 'RequireDualStack' && pools.length < 2) {
      errors.push(
        invalid(
          'spec.ipFamilyPolicy',
          'RequireDualStack',
          'this cluster is not configured for dual-stack services',
        ),
      );
      return { taken, errors };
    }
    spec['ipFamilies'] = families.map((family) => FAMILY_NAMES[family]);
    spec['ipFamilyPolicy'] ??= families.length > 1 ? 'RequireDualStack' : 'SingleStack';
    if (spec['clusterIP'] === 'None') {
      spec['clusterIPs'] = ['None'];
      return { taken, errors };
    }
    const asked = listAt(spec, 'clusterIPs').map(String);
    if (asked.length === 0 && stringAt(spec, 'clusterIP') !== '') asked.push(stringAt(spec, 'clusterIP'));
    const held = new Set(heldAddresses(old));
    const addresses = families.map((family, index) => {
      const wanted = asked[index] ?? '';
      if (wanted === '') {
        const pool = pools.find(({ cidr }) => cidr.family === family) ?? primary;
        const address = pool === undefined ? '' : nextAddress(pool, owner);
        taken.push(address);
        return address;
      }
      if (held.has(canonicalIp(wanted))) return wanted;
      const error = takeAddress(wanted, owner, 'spec.clusterIPs');
      if (error === undefined) taken.push(wanted);
      else errors.push(error);
      return wanted;
    });
    spec['clusterIPs'] = addresses;
    spec['clusterIP'] = addresses[0];
    return { taken, errors };
  }

  function allocatePorts(service: Loose, old: Loose | undefined): { taken: string[]; errors: FieldError[] } {
    const spec = objectAt(service, 'spec');
    const owner = ownerOf(service);
    const held = new Set(heldPorts(old));
    const taken: string[] = [];
    const errors: FieldError[] = [];
    const take = (port: number, protocol: string, field: string): void => {
      const key = portKey(port, protocol);
      if (held.has(key) || taken.includes(key)) return;
      const problem = ports.take(port, protocol, owner);
      if (problem === undefined) taken.push(key);
      else errors.push(invalid(field, port, problem));
    };
    const needed = needsNodePorts(spec);
    const list = listAt(spec, 'ports').filter(isObject);
    // Chosen ports first, so that none of them is given away to a neighbour.
    for (const [index, port] of list.entries()) {
      if (needed && typeof port['nodePort'] === 'number' && port['nodePort'] > 0) {
        take(port['nodePort'], stringAt(port, 'protocol'), `spec.ports[${index}].nodePort`);
      }
    }
    for (const port of errors.length === 0 && needed ? list : []) {
      if (typeof port['nodePort'] === 'number' && port['nodePort'] > 0) continue;
      const protocol = stringAt(port, 'protocol');
      const sibling = list.find(
        (other) =>
          other !== port &&
          other['port'] === port['port'] &&
          other['protocol'] !== protocol &&
          typeof other['nodePort'] === 'number',
      );
      const shared = Number(sibling?.['nodePort'] ?? 0);
      const number =
        shared > 0 && ports.take(shared, protocol, owner) === undefined
          ? shared
          : ports.next(protocol, owner);
      port['nodePort'] = number;
      taken.push(portKey(number, protocol));
    }
    if (spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local') {
      const asked = spec['healthCheckNodePort'];
      if (typeof asked === 'number' && asked > 0) take(asked, 'TCP', 'spec.healthCheckNodePort');
      else {
        const number = ports.next('TCP', owner);
        spec['healthCheckNodePort'] = number;
        taken.push(portKey(number, 'TCP'));
      }
    }
    return { taken, errors };
  }

  function allocate(
    service: Loose,
    { old, dryRun }: { old: Loose | undefined; dryRun: boolean },
  ): () => void {
    const addresses = allocateAddresses(service, old);
    const nodePorts = addresses.errors.length === 0 ? allocatePorts(service, old) : { taken: [], errors: [] };
    const giveBack = (): void => {
      for (const address of addresses.taken) freeAddress(address);
      for (const key of nodePorts.taken) ports.free(key);
    };
    const errors = [...addresses.errors, ...nodePorts.errors];
    if (errors.length > 0) {
      giveBack();
      throw invalidObject({ group: '', kind: 'Service' }, stringAt(service, 'metadata', 'name'), errors);
    }
    if (!dryRun && old !== undefined) {
      const still = new Set([...heldAddresses(service), ...heldPorts(service)]);
      for (const address of heldAddresses(old)) if (!still.has(address)) freeAddress(address);
      for (const key of heldPorts(old)) if (!still.has(key)) ports.free(key);
    }
    return giveBack;
  }

  return {
    firstAddress: formatIp(cidrAddress(primary.cidr, 1)),
    allocate,
    release(service) {
      for (const address of heldAddresses(service)) freeAddress(address);
      for (const key of heldPorts(service)) ports.free(key);
    },
    restore(store) {
      for (const stored of store.list('services')) {
        const service = stored as unknown as Loose;
        const owner = ownerOf(service);
        for (const address of heldAddresses(service)) poolOf(address)?.used.set(address, owner);
        for (const key of heldPorts(service)) ports.restore(key, owner);
      }
    },
  };
}

function refusedAddress(field: string, address: string, why: string): FieldError {
  return invalid(field, [address], `failed to allocate IP ${address}: ${why}`);
}

function ownerOf(service: Loose): string {
  const metadata = objectAt(service, 'metadata');
  return `${stringAt(metadata, 'namespace')}/${stringAt(metadata, 'name')}`;
}

function heldAddresses(service: Loose | undefined): string[] {
  const spec = objectAt(service, 'spec');
  if (spec['type'] === 'ExternalName') return [];
  return listAt(spec, 'clusterIPs')
    .map((address) => tryParseIp(String(address)))
    .filter((ip) => ip !== undefined)
    .map(formatIp);
}

function needsNodePorts(spec: Loose): boolean {
  return (
    spec['type'] === 'NodePort' ||
    (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false)
  );
}

function heldPorts(service: Loose | undefined): string[] {
  const spec = objectAt(service, 'spec');
  const { healthCheckNodePort } = spec;
  const keys = listAt(spec, 'ports')
    .filter(isObject)
    .filter(({ nodePort }) => typeof nodePort === 'number' && nodePort > 0)
    .map((port) => portKey(Number(port['nodePort']), stringAt(port, 'protocol')));
  return typeof healthCheckNodePort === 'number' && healthCheckNodePort > 0
    ? [...keys, portKey(healthCheckNodePort, 'TCP')]
    : keys;
}
