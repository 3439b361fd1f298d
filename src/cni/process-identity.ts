/** Processes by number and start time, so that a number that is used again is not taken for the same process. */
import { readFileSync } from 'node:fs';

let own: string | undefined;

/** `PID:START`, START in clock ticks since boot (proc_pid_stat(5)). */
export function ownProcess(): string {
  return (own ??= `${process.pid}:${startTime(process.pid) ?? ''}`);
}

/** Whether the process that `ownProcess` named still runs. */
export function isProcessAlive(identity: string): boolean {
  const [pid = '', start] = identity.split(':');
  return /^\d+$/.test(pid) && start !== '' && startTime(Number(pid)) === start;
}

function startTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // no such process
  }
  // The name, which stands in parentheses, may hold anything: the 22nd field is the 20th after it.
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .at(19);
}
