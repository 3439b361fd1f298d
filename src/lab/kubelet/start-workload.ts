import { startIsolated, type ContainerSpace } from '../workloads/isolate/isolated-container.ts';
import { standInPorts } from '../workloads/standin/ports.ts';
import { startStandIn } from '../workloads/standin/stand-in.ts';
import type { Execution, OutputSink, Workload } from '../workloads/workload.ts';
import type { ContainerKind } from './container-command.ts';
import { openContainerSpace, type ContainerRun } from './container-space.ts';
import type { InstancePod } from './instance-pod.ts';
import type { PodContext } from './pod-context.ts';

export interface WorkloadRun extends ContainerRun {
  readonly output: OutputSink;
}

/** Starts one run of a container as what it is. Throws what isolating it, or listening on its ports, throws. */
export async function startWorkload(
  context: PodContext,
  of: InstancePod,
  kind: ContainerKind,
  run: WorkloadRun,
): Promise<Workload> {
  return kind.kind === 'isolated'
    ? startProgram(context, of, kind.command, run)
    : await startInProcess(context, of, kind.note, run);
}

function startProgram(
  context: PodContext,
  of: InstancePod,
  command: readonly string[],
  run: WorkloadRun,
): Workload {
  const { spec, output } = run;
  const space = openContainerSpace(context, of, run);
  try {
    const { stdin = false, stdinOnce = false, tty = false } = spec;
    const workload = startIsolated(space, { command, stdin, stdinOnce, tty, output });
    of.event(
      'Normal',
      'Created',
      `Created container ${spec.name}: ${command[0]} of this machine, isolated, for image ${spec.image ?? ''}`,
    );
    of.event('Normal', 'Started', `Started container ${spec.name}`);
    return workload;
  } catch (error) {
    space.close();
    throw error;
  }
}

async function startInProcess(
  context: PodContext,
  of: InstancePod,
  note: string | undefined,
  run: WorkloadRun,
): Promise<Workload> {
  const { spec, output } = run;
  const { pod, sandbox } = of;
  const { nodeName, standIns } = context;
  const ports = standInPorts(spec);
  let space: ContainerSpace | undefined;
  const guests = new Set<Execution>();
  const workload = await startStandIn({
    identity: {
      namespace: pod.metadata?.namespace ?? '',
      pod: pod.metadata?.name ?? '',
      container: spec.name,
      image: spec.image ?? '',
      node: nodeName,
      addresses: sandbox.addresses,
    },
    netns: sandbox.netns,
    ports,
    server: standIns,
    output,
    exec: (request) => {
      const guest = (space ??= openContainerSpace(context, of, run)).startFirst(request);
      guests.add(guest);
      void guest.exited.finally(() => guests.delete(guest));
      return guest;
    },
  });
  // What was started beside a stand-in ends with it, as it would in a container.
  void workload.exited.finally(() => {
    for (const guest of guests) guest.kill('SIGKILL');
    space?.close();
  });
  const where =
    ports.length === 0 ? 'no ports' : ports.map(({ port, protocol }) => `${protocol} ${port}`).join(', ');
  const message = `Stand-in for image ${spec.image ?? ''} answers on ${where}`;
  output.write('stdout', `${message}\n`);
  if (note !== undefined) of.event('Warning', 'ArgsIgnored', note);
  of.event('Normal', 'Started', `${message} (container ${spec.name})`);
  return workload;
}
