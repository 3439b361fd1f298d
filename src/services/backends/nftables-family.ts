import { type NftCommand, add } from '../../kernel/nftables/commands.ts';
import type { Chain, Element, NftMap, NftSet, Rule } from '../../kernel/nftables/objects.ts';
import { withoutNested } from '../cidrs.ts';
import type { IpFamily } from '../../model/ip.ts';
import { type NodeFacts, type PlanChange, type PlannedPort, frontKey } from '../plan.ts';
import { ElementEdits, type PlacedElement, SharedSet } from './nftables-edits.ts';
import { Space } from './nftables-space.ts';
import {
  type ServicesTable,
  createTable,
  entryRules,
  masqueradeRules,
  replaceMasqueradeRules,
  servicesTable,
} from './nftables-table.ts';

/** What the kernel's table of one family holds, and the commands that take it from one plan to the next. */
export class FamilyState {
  readonly table: ServicesTable;
  readonly #family: IpFamily;
  #node: NodeFacts;
  readonly #ports = new Map<string, PlannedPort>();
  readonly #services: Space;
  readonly #servicesOutside: Space;
  readonly #nodePorts: Space;
  readonly #nodePortsOutside: Space;
  readonly #spaces: readonly Space[];
  readonly #shared: {
    readonly [
      Name in
        | 'clusterIps'
        | 'external'
        | 'externalLocal'
        | 'nodePorts'
        | 'nodePortsLocal'
        | 'limited'
        | 'sourceRanges'
        | 'hairpin'
        | 'pods'
        | 'nodePortAddresses'
    ]: SharedSet;
  };

  constructor(family: IpFamily, node: NodeFacts) {
    this.#family = family;
    this.#node = { ...node, podCidrs: [], nodePortAddresses: [] };
    const table = servicesTable(family);
    const { header } = table;
    this.table = table;
    this.#services = new Space('services', header, header.front);
    this.#servicesOutside = new Space('services-outside', header, header.front);
    this.#nodePorts = new Space('node-ports', header, header.nodePort);
    this.#nodePortsOutside = new Space('node-ports-outside', header, header.nodePort);
    this.#spaces = [this.#services, this.#servicesOutside, this.#nodePorts, this.#nodePortsOutside];
    this.#shared = {
      clusterIps: new SharedSet(table.clusterIps),
      external: new SharedSet(table.external),
      externalLocal: new SharedSet(table.externalLocal),
      nodePorts: new SharedSet(table.nodePorts),
      nodePortsLocal: new SharedSet(table.nodePortsLocal),
      limited: new SharedSet(table.limited),
      sourceRanges: new SharedSet(table.sourceRanges),
      hairpin: new SharedSet(table.hairpin),
      pods: new SharedSet(table.pods),
      nodePortAddresses: new SharedSet(table.nodePortAddresses),
    };
  }

  /** To be told, before anything else, which sets are in the kernel and are to be kept: see `takeOver`. */
  adopt(sets: ReadonlySet<string>): void {
    for (const space of this.#spaces) space.adopt(sets);
  }

  /** What replaces any table of that name, but without elements. */
  get create(): NftCommand[] {
    return [...createTable(this.table), ...this.#spaces.flatMap(({ create }) => create)];
  }

  /** What puts the table to work. */
  get activate(): NftCommand[] {
    return [...this.table.baseChains, ...this.#entryRules()].map(add);
  }

  #entryRules(): Rule[] {
    return entryRules(this.table, {
      services: this.#services.chain,
      servicesOutside: this.#servicesOutside.chain,
      nodePorts: this.#nodePorts.chain,
      nodePortsOutside: this.#nodePortsOutside.chain,
    });
  }

  /** Where clients are remembered. */
  get affinityMaps(): readonly NftMap[] {
    return this.#spaces.flatMap(({ affinityMap }) => (affinityMap === undefined ? [] : [affinityMap]));
  }

  /** The commands for a change; the state is taken to be changed already. */
  change({ set, removed, node }: Pick<PlanChange, 'set' | 'removed' | 'node'>): NftCommand[] {
    const edits = new ElementEdits();
    for (const port of removed) this.#replace(frontKey(port), undefined, edits);
    for (const port of set) this.#replace(frontKey(port), port, edits);
    const nodeRules = node === undefined ? [] : this.#setNode(node);
    for (const shared of Object.values(this.#shared)) shared.settle(edits);
    const settled = this.#spaces.map((space) => space.settle());
    return [
      ...edits.removals(),
      ...settled.flatMap(({ before }) => before),
      ...edits.additions(),
      ...settled.flatMap(({ after }) => after),
      ...nodeRules,
    ];
  }

  #setNode(node: NodeFacts): NftCommand[] {
    const { pods, nodePortAddresses } = this.#shared;
    const ofFamily = (cidrs: readonly string[]): readonly string[] =>
      withoutNested(cidrs.filter((cidr) => cidr.includes(':') === (this.#family === 6)));
    for (const [facts, by] of [
      [this.#node, -1],
      [node, 1],
    ] as const) {
      for (const cidr of ofFamily(facts.podCidrs)) pods.change({ key: [cidr] }, by);
      for (const cidr of ofFamily(facts.nodePortAddresses)) nodePortAddresses.change({ key: [cidr] }, by);
    }
    this.#node = node;
    return replaceMasqueradeRules(this.table, node);
  }

  #replace(key: string, port: PlannedPort | undefined, edits: ElementEdits): void {
    const before = this.#ports.get(key);
    if (port === undefined) this.#ports.delete(key);
    else this.#ports.set(key, port);
    if (before !== undefined) this.#share(before, -1);
    if (port !== undefined) this.#share(port, 1);
    const front = port ?? before;
    if (front === undefined) return;
    const isNodePort = front.kind === 'nodePort';
    // By protocol and port alone, or with the address before them.
    const [inside, outside] = isNodePort
      ? [this.#nodePorts, this.#nodePortsOutside]
      : [this.#services, this.#servicesOutside];
    const at = frontValues(front);
    const entry = (choice: PlannedPort['inside']) => ({
      key: at,
      choice,
      affinitySeconds: port?.affinitySeconds,
    });
    inside.replace(key, port && entry(port.inside), edits);
    outside.replace(key, port && port.outside !== port.inside ? entry(port.outside) : undefined, edits);
  }

  #share(port: PlannedPort, by: 1 | -1): void {
    const shared = this.#shared;
    const key = frontValues(port);
    const isLocal = port.outside !== port.inside;
    if (port.kind === 'clusterIP') {
      shared.clusterIps.change({ key: [port.address] }, by);
    } else if (port.kind === 'nodePort') {
      shared.nodePorts.change({ key }, by);
      if (isLocal) shared.nodePortsLocal.change({ key }, by);
    } else {
      shared.external.change({ key }, by);
      if (isLocal) shared.externalLocal.change({ key }, by);
    }
    if (port.sourceRanges !== undefined) {
      shared.limited.change({ key }, by);
      for (const cidr of port.sourceRanges) shared.sourceRanges.change({ key: [...key, cidr] }, by);
    }
    const choices = isLocal ? [port.inside, port.outside] : [port.inside];
    for (const { endpoints } of choices) {
      for (const { address, source } of endpoints) {
        if (source.nodeName === undefined || source.nodeName === this.#node.name)
          shared.hairpin.change({ key: [address, address] }, by);
      }
    }
  }

  /** Every element that should be in the kernel, by the set's name. */
  expected(): ReadonlyMap<NftSet | NftMap, Element[]> {
    const bySet = new Map<string, { set: NftSet | NftMap; list: Element[] }>();
    const sets = [...this.table.sets, ...this.#spaces.flatMap((space) => space.sets())];
    for (const set of sets) bySet.set(set.name, { set, list: [] });
    const take = ([set, element]: PlacedElement): void => void bySet.get(set.name)?.list.push(element);
    for (const shared of Object.values(this.#shared)) for (const placed of shared.elements()) take(placed);
    for (const space of this.#spaces) for (const placed of space.elements()) take(placed);
    return new Map([...bySet.values()].map(({ set, list }) => [set, list]));
  }

  /** The rules that should be there. */
  expectedRules(): readonly Rule[] {
    return [
      ...this.#entryRules(),
      ...masqueradeRules(this.table, this.#node),
      ...this.#spaces.flatMap((space) => space.rules()),
    ];
  }

  /** The chains that should be there. */
  expectedChains(): readonly Chain[] {
    return [...this.table.chains, ...this.table.baseChains, ...this.#spaces.flatMap(({ chains }) => chains)];
  }
}

function frontValues({ kind, address, protocol, port }: PlannedPort): readonly (string | number)[] {
  return kind === 'nodePort' ? [protocol, port] : [address, protocol, port];
}
