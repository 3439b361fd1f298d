import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Netns, withNetns } from '../../../src/kernel/netns.ts';
import type { ConnectOftenResult } from './connect-often.ts';

/** Connects again and again, from a process of its own, while something is done. */
export async function connectWhile(
  from: Netns,
  { address, port }: { address: string; port: number },
  run: () => void | Promise<void>,
): Promise<ConnectOftenResult> {
  const file = new URL('connect-often.ts', import.meta.url).pathname;
  const child = withNetns(from, () =>
    spawn(process.execPath, [file, address, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const lines = createInterface({ input: child.stdout });
  const deadline = AbortSignal.timeout(20_000);
  assert.deepEqual(await once(lines, 'line', { signal: deadline }), ['ready']);
  await run();
  const last = once(lines, 'line', { signal: deadline });
  child.stdin.end();
  const [text] = (await last) as [string];
  return JSON.parse(text) as ConnectOftenResult;
}
