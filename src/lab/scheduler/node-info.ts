import type { Taint } from 'kubernetes-types/core/v1.d.ts';
import type { Node } from '../../model/objects.ts';
import type { Labels } from '../../model/selectors.ts';
import { amount, type HostPort, type PodInfo } from './pod-info.ts';

/** A node and what its pods leave of it. */
export class NodeInfo {
  readonly name: string;
  #node: Node | undefined;
  readonly #allocatable = new Map<string, number>();
  readonly pods = new Map<string, PodInfo>();
  /** Pods of this node that keep others away. */
  readonly antiAffine = new Map<string, PodInfo>();
  readonly ofController = new Map<string, number>();
  milliCpu = 0;
  memoryBytes = 0;
  scoredMilliCpu = 0;
  scoredMemoryBytes = 0;
  readonly others = new Map<string, number>();

  constructor(name: string, node?: Node) {
    this.name = name;
    this.#node = node;
  }

  /** Undefined while only pods that name the node are known. */
  get node(): Node | undefined {
    return this.#node;
  }

  set node(node: Node | undefined) {
    this.#node = node;
    this.#allocatable.clear();
  }

  get labels(): Labels {
    return this.node?.metadata?.labels ?? {};
  }

  get taints(): readonly Taint[] {
    return this.node?.spec?.taints ?? [];
  }

  /** Of the node's `status.allocatable`; what it does not name, it has none of. */
  allocatable(resource: string): number {
    const known = this.#allocatable.get(resource);
    if (known !== undefined) return known;
    const quantities = this.node?.status?.allocatable ?? this.node?.status?.capacity ?? {};
    const value = amount(resource, quantities[resource]);
    this.#allocatable.set(resource, value);
    return value;
  }

  hostPorts(): HostPort[] {
    return [...this.pods.values()].flatMap(({ hostPorts }) => hostPorts);
  }

  add(pod: PodInfo): void {
    this.remove(pod.key);
    this.pods.set(pod.key, pod);
    if (pod.requiredAntiAffinity.length > 0) this.antiAffine.set(pod.key, pod);
    this.#count(pod, 1);
  }

  remove(key: string): void {
    const pod = this.pods.get(key);
    if (!pod) return;
    this.pods.delete(key);
    this.antiAffine.delete(key);
    this.#count(pod, -1);
  }

  #count({ requests, scoredRequests, controllerUid }: PodInfo, sign: 1 | -1): void {
    this.milliCpu += sign * requests.milliCpu;
    this.memoryBytes += sign * requests.memoryBytes;
    this.scoredMilliCpu += sign * scoredRequests.milliCpu;
    this.scoredMemoryBytes += sign * scoredRequests.memoryBytes;
    for (const [name, value] of requests.others)
      this.others.set(name, (this.others.get(name) ?? 0) + sign * value);
    const siblings = (this.ofController.get(controllerUid) ?? 0) + sign;
    if (siblings > 0) this.ofController.set(controllerUid, siblings);
    else this.ofController.delete(controllerUid);
  }
}
