import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const executable = join(import.meta.dirname, 'hosts-record');

async function call(command: string, config: object): Promise<{ exitCode: number | null; stdout: string }> {
  const env = {
    ...process.env,
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'c1',
    CNI_NETNS: '/proc/self/ns/net',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop',
  };
  const child = spawn(executable, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stdin.end(JSON.stringify({ cniVersion: '1.1.0', name: 'net', type: 'hosts-record', ...config }));
  return new Promise((done) => child.once('close', (exitCode) => done({ exitCode, stdout })));
}

// What the specification asks for is tested by the kit: tests/conformance/cni.
test('hosts-record writes a record for ADD, misses it in CHECK, and removes it for DEL', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hosts-record-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const prevResult = { ips: [{ address: '10.88.0.2/24' }, { address: 'fd88::2/64' }] };
  const config = { directory, domain: 'example.test', prevResult };
  assert.deepEqual(JSON.parse((await call('ADD', config)).stdout), {
    cniVersion: '1.1.0',
    ...prevResult,
    dns: {},
  });
  assert.equal(
    readFileSync(join(directory, 'net', 'c1:eth0'), 'utf8'),
    '10.88.0.2 web.shop.example.test\nfd88::2 web.shop.example.test\n',
  );
  assert.equal((await call('CHECK', config)).exitCode, 0);
  const other = { ...config, prevResult: { ips: [{ address: '10.88.0.3/24' }] } };
  assert.equal((await call('CHECK', other)).exitCode, 1);
  assert.equal((await call('DEL', config)).exitCode, 0);
  assert.deepEqual(readdirSync(join(directory, 'net')), []);
  const refused = await call('ADD', { prevResult });
  assert.match(refused.stdout, /"code":7,"msg":"directory: must be/);
});
