/** Whether every interface on the pods' ways has the same MTU, and which one has not. */

/** One interface as it is. */
export interface MtuFact {
  /** The node, the lab's switch, or the pod as `namespace/name`. */
  readonly place: string;
  readonly role: 'switch port' | 'uplink' | 'bridge' | 'pod link' | 'pod';
  readonly interface: string;
  readonly mtuBytes: number;
  /** Of `pod` and `pod link`: the pod, and the node it is on. */
  readonly pod?: string;
  readonly node?: string;
}

/** A packet of full size that may not be cut into pieces, from one pod to another. */
export interface MtuProbe {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly bytes: number;
  readonly arrived: boolean;
  /** What the sender's kernel said. */
  readonly error?: string;
}

export interface MtuVerdict extends MtuFact {
  readonly expectedBytes: number;
  /** What is wrong, and what to do about it. */
  readonly problem?: string;
  readonly fix?: string;
}

export interface MtuReport {
  readonly interfaces: readonly MtuVerdict[];
  readonly probes: readonly MtuProbe[];
  readonly problems: readonly { readonly problem: string; readonly fix: string }[];
}

export interface MtuExpectation {
  /** The setting `mtu`, when there is one. */
  readonly mtuBytes?: number;
  /** What tunnels and encryption put around each packet. */
  readonly overheadBytes: number;
}

/**
 * The nodes' network carries what most of its devices do; pods have that less the overhead, or what the setting says.
 * Every interface that has another MTU is a problem of its own, and so is a probe that did not arrive though every
 * interface is right.
 */
export function judgeMtus(
  facts: readonly MtuFact[],
  { probes, expectation }: { probes: readonly MtuProbe[]; expectation: MtuExpectation },
): MtuReport {
  const underlay = mostCommon(facts.filter(isUnderlay).map(({ mtuBytes }) => mtuBytes));
  const podBytes = expectation.mtuBytes ?? underlay - expectation.overheadBytes;
  const interfaces = facts.map((fact): MtuVerdict => {
    const expectedBytes = isUnderlay(fact) ? underlay : podBytes;
    const verdict = { ...fact, expectedBytes };
    return fact.mtuBytes === expectedBytes ? verdict : { ...verdict, ...explain(fact, expectedBytes) };
  });
  const problems = interfaces.flatMap(({ problem, fix }) => (problem && fix ? [{ problem, fix }] : []));
  if (podBytes + expectation.overheadBytes > underlay) {
    problems.push({
      problem: `Pods have an MTU of ${podBytes}, and the nodes' network carries ${underlay - expectation.overheadBytes} of it at most`,
      fix: `Set data.mtu of ConfigMap kube-system/podnet to ${underlay - expectation.overheadBytes} or remove it, restart the agents, then the pods.`,
    });
  }
  if (problems.length === 0) problems.push(...probes.filter(({ arrived }) => !arrived).map(explainProbe));
  return { interfaces, probes, problems };
}

function isUnderlay({ role }: MtuFact): boolean {
  return role === 'uplink' || role === 'switch port';
}

/** The largest of those that occur most. */
function mostCommon(values: readonly number[]): number {
  const counts = Map.groupBy(values, (value) => value);
  const best = [...counts].toSorted(([a, as], [b, bs]) => bs.length - as.length || b - a)[0];
  return best?.[0] ?? 1500;
}

function explain(fact: MtuFact, expectedBytes: number): { problem: string; fix: string } {
  const { place, role, interface: name, mtuBytes, pod, node } = fact;
  const of = role === 'pod' ? `pod ${place}` : pod === undefined ? place : `${place}, the link of pod ${pod}`;
  const problem = `${name} of ${of} has an MTU of ${mtuBytes}, the others on its way ${expectedBytes}`;
  if (role === 'pod') {
    const [namespace = '', podName = ''] = place.split('/');
    return {
      problem,
      fix: `Make the pod again, on ${node ?? 'its node'}: kubectl delete pod -n ${namespace} ${podName}`,
    };
  }
  return { problem, fix: `podnet enter ${place} -- ip link set dev ${name} mtu ${expectedBytes}` };
}

function explainProbe({ from, to, bytes, error }: MtuProbe): { problem: string; fix: string } {
  return {
    problem: `A packet of ${bytes} bytes from pod ${from} does not arrive at pod ${to}${error === undefined ? '' : `: ${error}`}`,
    fix: `Every interface is right, so look at what is between the nodes: podnet trace ${from} pod/${to.split('/')[1]}:9 --observe`,
  };
}
