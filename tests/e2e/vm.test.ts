import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { debianKernel, moduleFiles } from '../vm/debian-kernel.ts';
import { runInVm, vmUnavailable } from '../vm/run-in-vm.ts';

const skip = vmUnavailable() ?? false;

test('runInVm kills a machine that takes too long, and its process is gone', { skip }, async () => {
  const marker = `podnet-vm-test-${process.pid}`;
  await assert.rejects(
    runInVm({ command: ['sleep', '1000'], files: { [marker]: '' }, timeoutMs: 1500 }),
    /did not end within 1500 ms/u,
  );
  const running = execFileSync('ps', ['-eo', 'ppid=,args='], { encoding: 'utf8' });
  const own = running
    .split('\n')
    .filter((line) => line.trim().startsWith(`${process.pid} `) && line.includes('qemu'));
  assert.deepEqual(own, []);
});

test('runInVm passes files, status and output both ways', { skip }, async () => {
  const { status, stdout, stderr, files } = await runInVm({
    command: ['sh', '-c', 'cat /run/vm/question; uname -r >&2; echo left >/run/vm/answer; exit 3'],
    files: { question: "what's up?\n" },
    timeoutMs: 60_000,
  });
  assert.deepEqual(
    { status, stdout, stderr, answer: files.get('answer') },
    { status: 3, stdout: "what's up?\n", stderr: `${debianKernel().release}\n`, answer: 'left\n' },
  );
});

test('moduleFiles orders modules after those they need, and names one that does not exist', { skip }, () => {
  const kernel = debianKernel();
  const names = moduleFiles(kernel, ['ip_vs_rr']).map((path) => path.replace(/^.*\//u, ''));
  assert.equal(names.at(-1), 'ip_vs_rr.ko');
  assert.ok(names.indexOf('nf_conntrack.ko') < names.indexOf('ip_vs.ko'), names.join(' '));
  assert.throws(() => moduleFiles(kernel, ['no_such']), /has no module no_such/u);
});
