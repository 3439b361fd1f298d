import type { Container, Probe } from '../../../model/objects.ts';
import type { Workload } from '../../workloads/workload.ts';
import { grpcCheck, httpCheck, tcpCheck, type HttpCheck } from './checks.ts';
import type { ProbeOutcome } from './prober.ts';

/** What a probe or a hook of a container may act on. */
export interface ProbeTarget {
  readonly container: Container;
  readonly podAddress: string;
  readonly workload: Workload;
  /** Told once when an exec cannot run because a stand-in has no such program. */
  readonly onSkippedExec: () => void;
}

/** Asks a probe's question once: real packets from the node to the pod, or a program in the container. */
export async function askProbe(probe: Probe, target: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
  const { podAddress, container } = target;
  const { httpGet, tcpSocket, grpc, exec } = probe;
  if (httpGet) {
    const check = compileHttpCheck(httpGet, container, podAddress);
    return check ? httpCheck(check, timeoutMs) : noPort(httpGet.port);
  }
  if (tcpSocket) {
    const port = portNumber(tcpSocket.port, container);
    return port === undefined
      ? noPort(tcpSocket.port)
      : tcpCheck(tcpSocket.host || podAddress, port, timeoutMs);
  }
  if (grpc) return grpcCheck(podAddress, grpc.port, grpc.service ?? '', timeoutMs);
  if (exec) return execCheck(exec.command ?? [], target, timeoutMs);
  return { succeeded: true, message: '' };
}

function noPort(port: number | string): ProbeOutcome {
  return { succeeded: false, message: `the container has no port named ${JSON.stringify(port)}` };
}

/** Undefined when the port's name is none of the container's. */
export function compileHttpCheck(
  httpGet: NonNullable<Probe['httpGet']>,
  container: Container,
  podAddress: string,
): HttpCheck | undefined {
  const port = portNumber(httpGet.port, container);
  if (port === undefined) return undefined;
  return {
    scheme: httpGet.scheme === 'HTTPS' ? 'HTTPS' : 'HTTP',
    host: httpGet.host || podAddress,
    port,
    path: httpGet.path || '/',
    headers: (httpGet.httpHeaders ?? []).map(({ name, value }) => ({ name, value })),
  };
}

/** Names are looked up among the container's own ports. */
export function portNumber(port: number | string, { ports = [] }: Container): number | undefined {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  return ports.find(({ name }) => name === port)?.containerPort;
}

const MAX_OUTPUT = 10 * 1024;

async function execCheck(
  command: readonly string[],
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeOutcome> {
  if (target.workload.kind === 'stand-in') {
    target.onSkippedExec();
    return { succeeded: true, message: '' };
  }
  const { exitCode, output, timedOut } = await runInContainer(target.workload, command, timeoutMs);
  if (timedOut)
    return {
      succeeded: false,
      message: `command ${JSON.stringify(command.join(' '))} timed out after ${timeoutMs / 1000}s`,
    };
  return { succeeded: exitCode === 0, message: output.trim() || `command ended with exit code ${exitCode}` };
}

/** Runs a program beside the container's own and gathers what it says; never throws. */
export async function runInContainer(
  workload: Workload,
  command: readonly string[],
  timeoutMs: number,
): Promise<{ exitCode: number; output: string; timedOut: boolean }> {
  try {
    const execution = workload.exec({ command, stdin: false, tty: false });
    let output = '';
    let timedOut = false;
    for (const stream of [execution.stdout, execution.stderr])
      stream?.on('data', (data: Buffer) => {
        if (output.length < MAX_OUTPUT) output += data.toString();
      });
    const timer = setTimeout(() => {
      timedOut = true;
      execution.kill('SIGKILL');
    }, timeoutMs);
    const { exitCode } = await execution.exited;
    clearTimeout(timer);
    return { exitCode, output: output.slice(0, MAX_OUTPUT), timedOut };
  } catch (error) {
    return { exitCode: 127, output: error instanceof Error ? error.message : String(error), timedOut: false };
  }
}
