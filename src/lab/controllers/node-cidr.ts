import { nodes } from '../../cluster/resources.ts';
import {
  bits,
  cidrsOverlap,
  formatCidr,
  parseCidr,
  subnet,
  tryParseCidr,
  type Cidr,
} from '../../model/ip.ts';
import type { Node } from '../../model/objects.ts';
import { createControllerEvents, createControllerQueue } from './controller.ts';
import type { Controller, ControllerContext } from './controller.ts';

const name = 'cidr-allocator';

export interface NodeCidrOptions {
  readonly clusterCidrs: readonly string[];
  /** Of each of them a node's part; IPv4 has 24 and IPv6 64 unless told. */
  readonly prefixLengths?: readonly number[];
}

/** Equal parts of one CIDR, given out in order and taken back. */
export interface CidrRange {
  /** The lowest part that is free; undefined when all are taken. */
  allocate(): string | undefined;
  /** Marks what overlaps with `cidr` as taken. */
  occupy(cidr: string): void;
  release(cidr: string): void;
}

/** @throws RangeError when the parts would be larger than the whole */
export function createCidrRange(cidr: Cidr, prefixLength: number): CidrRange {
  if (prefixLength < cidr.prefixLength)
    throw new RangeError(`${formatCidr(cidr)} cannot be divided into parts of /${prefixLength}`);
  const size = 2 ** Math.min(24, prefixLength - cidr.prefixLength);
  const taken = new Set<number>();
  let lowest = 0;

  /** Indexes of the parts that another CIDR touches. */
  function partsOf(text: string): number[] {
    const other = tryParseCidr(text)?.network;
    if (!other || other.family !== cidr.family || !cidrsOverlap(cidr, other)) return [];
    const width = 1n << BigInt(bits(cidr.family) - prefixLength);
    const offset = other.value > cidr.value ? other.value - cidr.value : 0n;
    const count =
      2 ** Math.min(24, Math.max(0, prefixLength - Math.max(other.prefixLength, cidr.prefixLength)));
    const first = Number(offset / width);
    return Array.from({ length: Math.min(count, size - first) }, (_, index) => first + index);
  }

  return {
    allocate() {
      while (taken.has(lowest)) lowest++;
      if (lowest >= size) return undefined;
      taken.add(lowest);
      return formatCidr(subnet(cidr, prefixLength, lowest));
    },
    occupy(text) {
      for (const part of partsOf(text)) taken.add(part);
    },
    release(text) {
      for (const part of partsOf(text)) {
        taken.delete(part);
        lowest = Math.min(lowest, part);
      }
    },
  };
}

export function cidrsOf({ spec }: Node): readonly string[] {
  return spec?.podCIDRs?.length ? spec.podCIDRs : spec?.podCIDR ? [spec.podCIDR] : [];
}

/** Gives every node its `spec.podCIDRs`: one part of each cluster CIDR. */
export function createNodeCidrController(context: ControllerContext, options: NodeCidrOptions): Controller {
  const { client, informers } = context;
  const events = createControllerEvents(context, name);
  // One at a time: two nodes must not get the same part.
  const queue = createControllerQueue(context, name, sync, { concurrency: 1 });
  const ranges = options.clusterCidrs.map((text, index) => {
    const cidr = parseCidr(text);
    return createCidrRange(cidr, options.prefixLengths?.[index] ?? (cidr.family === 4 ? 24 : 64));
  });
  /** By node. */
  const given = new Map<string, readonly string[]>();

  function release(key: string): void {
    for (const cidr of given.get(key) ?? []) for (const range of ranges) range.release(cidr);
    given.delete(key);
  }

  async function sync(key: string): Promise<void> {
    const node = informers.nodes.get(key);
    if (!node || cidrsOf(node).length > 0) return;
    const podCIDRs = given.get(key) ?? allocate(key);
    if (!podCIDRs) {
      const cidrs = options.clusterCidrs.join(', ');
      const message = `No part of the cluster CIDR ${cidrs} is free for the node. Delete nodes, or start the cluster with a larger CIDR.`;
      events.record(node, { type: 'Warning', reason: 'CIDRNotAvailable', message });
      return;
    }
    const { uid } = node.metadata ?? {};
    const body = { metadata: { uid }, spec: { podCIDR: podCIDRs[0], podCIDRs } };
    await client.patch(nodes, { name: key }, { type: 'merge', body });
  }

  /** A part of every range, or of none. */
  function allocate(key: string): readonly string[] | undefined {
    const parts: string[] = [];
    for (const range of ranges) {
      const part = range.allocate();
      if (part === undefined) {
        for (const cidr of parts) for (const each of ranges) each.release(cidr);
        return undefined;
      }
      parts.push(part);
    }
    given.set(key, parts);
    return parts;
  }

  return {
    name,
    async run(signal) {
      informers.nodes.onChange(({ type, key, object }) => {
        if (type === 'deleted') {
          release(key);
          for (const other of informers.nodes.list())
            if (cidrsOf(other).length === 0) queue.add(other.metadata?.name ?? '');
          return;
        }
        const cidrs = cidrsOf(object);
        if (cidrs.length === 0) return queue.add(key);
        if (given.get(key)?.join() === cidrs.join()) return;
        release(key);
        given.set(key, cidrs);
        for (const cidr of cidrs) for (const range of ranges) range.occupy(cidr);
      });
      await queue.run(signal);
    },
  };
}
