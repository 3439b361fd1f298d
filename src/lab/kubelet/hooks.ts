import type { Container } from '../../model/objects.ts';
import { httpCheck, tcpCheck } from './probes/checks.ts';
import { compileHttpCheck, portNumber, runInContainer, type ProbeTarget } from './probes/handler.ts';

type Hook = NonNullable<NonNullable<Container['lifecycle']>['preStop']>;

/** Runs a lifecycle hook. Returns why it failed, or undefined. */
export async function runHook(hook: Hook, target: ProbeTarget, limitMs: number): Promise<string | undefined> {
  const { exec, httpGet, tcpSocket } = hook;
  const sleep = 'sleep' in hook ? (hook.sleep as { seconds?: number } | undefined) : undefined; // newer than the types
  if (sleep) {
    await new Promise((resolve) => setTimeout(resolve, Math.min((sleep.seconds ?? 0) * 1000, limitMs)));
    return undefined;
  }
  if (exec) {
    if (target.workload.kind === 'stand-in') {
      target.onSkippedExec();
      return undefined;
    }
    const { exitCode, output, timedOut } = await runInContainer(target.workload, exec.command ?? [], limitMs);
    return exitCode === 0
      ? undefined
      : `${timedOut ? 'timed out' : `exit code ${exitCode}`}${output === '' ? '' : `: ${output.trim()}`}`;
  }
  if (httpGet) {
    const check = compileHttpCheck(httpGet, target.container, target.podAddress);
    if (!check) return `the container has no port named ${JSON.stringify(httpGet.port)}`;
    const { succeeded, message } = await httpCheck(check, limitMs);
    return succeeded ? undefined : message;
  }
  if (tcpSocket) {
    const port = portNumber(tcpSocket.port, target.container);
    if (port === undefined) return `the container has no port named ${JSON.stringify(tcpSocket.port)}`;
    const { succeeded, message } = await tcpCheck(tcpSocket.host || target.podAddress, port, limitMs);
    return succeeded ? undefined : message;
  }
  return undefined;
}
