import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { Node } from '../../model/objects.ts';

export interface NodeFacts {
  readonly nodeName: string;
  readonly nodeAddresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly maxPods: number;
  readonly version: string;
  readonly machine: Machine;
}

/** Of the real machine under the lab. */
export interface Machine {
  readonly cpus: number;
  readonly memoryKiB: number;
  readonly architecture: string;
  readonly kernel: string;
  readonly osImage: string;
}

export function readMachine(): Machine {
  const architectures: Readonly<Record<string, string>> = { x64: 'amd64' };
  return {
    cpus: os.availableParallelism(),
    memoryKiB: Math.floor(os.totalmem() / 1024),
    architecture: architectures[process.arch] ?? process.arch,
    kernel: os.release(),
    osImage: readOsName(),
  };
}

function readOsName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  } catch {
    return 'Linux';
  }
}

/** Pure: the Node a kubelet registers. */
export function nodeObject(facts: NodeFacts): Node {
  const { nodeName, labels, machine } = facts;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName,
      labels: {
        'kubernetes.io/hostname': nodeName,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': machine.architecture,
        'beta.kubernetes.io/os': 'linux',
        'beta.kubernetes.io/arch': machine.architecture,
        ...labels,
      },
    },
    spec: {},
  };
}

/** Pure: its status, with the conditions' times of before where nothing changed, and the conditions of others. */
export function nodeStatus(
  facts: NodeFacts,
  before: Node['status'],
  now: string,
): NonNullable<Node['status']> {
  const { nodeName, nodeAddresses, maxPods, version, machine } = facts;
  const resources = {
    cpu: String(machine.cpus),
    memory: `${machine.memoryKiB}Ki`,
    pods: String(maxPods),
    'ephemeral-storage': `${machine.memoryKiB}Ki`,
  };
  const condition = (
    type: string,
    status: 'True' | 'False',
    reason: string,
    message: string,
  ): NonNullable<NonNullable<Node['status']>['conditions']>[number] => {
    const old = before?.conditions?.find((one) => one.type === type && one.status === status);
    return {
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: now,
      lastTransitionTime: old?.lastTransitionTime ?? now,
    };
  };
  const conditions = [
    condition(
      'MemoryPressure',
      'False',
      'KubeletHasSufficientMemory',
      'kubelet has sufficient memory available',
    ),
    condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
  ];
  const own = new Set(conditions.map(({ type }) => type));
  const others = (before?.conditions ?? []).filter(({ type }) => !own.has(type));
  return {
    addresses: [
      ...nodeAddresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: nodeName },
    ],
    capacity: resources,
    allocatable: resources,
    conditions: [...conditions, ...others],
    daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
    nodeInfo: {
      architecture: machine.architecture,
      bootID: '',
      containerRuntimeVersion: 'podnet://1',
      kernelVersion: machine.kernel,
      kubeProxyVersion: version,
      kubeletVersion: version,
      machineID: '',
      operatingSystem: 'linux',
      osImage: machine.osImage,
      systemUUID: '',
    },
  };
}
