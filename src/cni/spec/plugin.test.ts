import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCniArgs } from './args.ts';
import { parseEnvironment } from './environment.ts';
import { PodnetError } from '../../model/errors.ts';
import { CniError } from './error.ts';
import { type PluginRequest, definePlugin } from './plugin.ts';
import type { NetworkConfig } from './config.ts';

const environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/proc/self/ns/net',
  CNI_IFNAME: 'eth0',
};
const stdin = (config: object = {}): string =>
  JSON.stringify({ cniVersion: '1.1.0', name: 'net', type: 'x', ...config });

const calls: [string, PluginRequest<NetworkConfig>][] = [];
const record =
  (command: string) =>
  (request: PluginRequest<NetworkConfig>): void =>
    void calls.push([command, request]);
const plugin = definePlugin({
  type: 'x',
  args: ['K8S_POD_NAME'],
  add(request) {
    calls.push(['ADD', request]);
    return { ips: [{ address: '10.1.0.2/24' }] };
  },
  del: record('DEL'),
  check: record('CHECK'),
  gc: record('GC'),
  status: record('STATUS'),
});

async function answer(
  over: Readonly<Record<string, string | undefined>>,
  text = stdin(),
  of = plugin,
): Promise<{ exitCode: number; json: Record<string, unknown> | undefined }> {
  const { exitCode, stdout } = await of.answer({ environment: { ...environment, ...over }, stdin: text });
  return { exitCode, json: stdout === '' ? undefined : (JSON.parse(stdout) as Record<string, unknown>) };
}

test('definePlugin answers every command, and prints nothing where there is no result', async () => {
  const prevResult = { ips: [{ address: '10.1.0.2/24' }] };
  assert.deepEqual(await answer({}), {
    exitCode: 0,
    json: { cniVersion: '1.1.0', ips: [{ address: '10.1.0.2/24' }], dns: {} },
  });
  for (const command of ['DEL', 'CHECK', 'GC', 'STATUS']) {
    assert.deepEqual(await answer({ CNI_COMMAND: command }, stdin({ prevResult })), {
      exitCode: 0,
      json: undefined,
    });
    assert.equal(calls.at(-1)?.[0], command);
  }
});

test('definePlugin answers VERSION with the version it was asked in', async () => {
  const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
  for (const [text, cniVersion] of [
    ['{"cniVersion":"1.0.0"}', '1.0.0'],
    ['{"cniVersion":"9.9.9"}', '9.9.9'],
    ['', '1.1.0'],
  ] as const)
    assert.deepEqual((await answer({ CNI_COMMAND: 'VERSION' }, text)).json, {
      cniVersion,
      supportedVersions,
    });
});

test('definePlugin refuses with the codes of the specification', async () => {
  const refused = [
    [{}, stdin({ cniVersion: '0.2.0' }), 1],
    [{ CNI_COMMAND: 'CHECK' }, stdin({ cniVersion: '0.3.1' }), 1],
    [{ CNI_COMMAND: 'GC' }, stdin({ cniVersion: '1.0.0' }), 1],
    [{ CNI_COMMAND: 'STATUS' }, stdin({ cniVersion: '1.0.0' }), 1],
    [{ CNI_COMMAND: 'CHECK' }, stdin(), 7],
    [{ CNI_NETNS: '/nowhere' }, stdin(), 4],
    [{ CNI_NETNS: '/etc/passwd' }, stdin(), 4],
    [{ CNI_COMMAND: 'CHECK', CNI_NETNS: '/nowhere' }, stdin({ prevResult: {} }), 3],
    [{ CNI_ARGS: 'A=1' }, stdin(), 4],
    [{}, '', 6],
    [{}, stdin({ name: undefined }), 7],
  ] as const;
  for (const [over, text, code] of refused) {
    const { exitCode, json } = await answer(over, text);
    assert.deepEqual([exitCode, json?.['code']], [1, code], `${JSON.stringify(over)} ${text}`);
    assert.equal(typeof json?.['msg'], 'string');
  }
  assert.equal((await answer({}, stdin({ cniVersion: '0.4.0', type: '/' }))).json?.['cniVersion'], '0.4.0');
});

test('definePlugin passes errors on: code, message, what to do', async () => {
  const failing = (error: Error) =>
    definePlugin({
      type: 'x',
      add() {
        throw error;
      },
      del: () => {},
    });
  const own = failing(new CniError('no room', { code: 101, details: 'Make some.' }));
  assert.deepEqual((await answer({}, stdin(), own)).json, {
    cniVersion: '1.1.0',
    code: 101,
    msg: 'no room',
    details: 'Make some.',
  });
  const podnet = failing(
    new PodnetError('no room', { code: 'full', where: '10.1.0.0/24', fix: 'Delete pods.' }),
  );
  assert.equal((await answer({}, stdin(), podnet)).json?.['details'], 'Where: 10.1.0.0/24. Delete pods.');
});

test('a chained plugin needs prevResult for ADD, and not for DEL', async () => {
  const chained = definePlugin({
    type: 'x',
    chained: true,
    add: ({ prevResult }) => prevResult,
    del: () => {},
  });
  assert.equal((await answer({}, stdin(), chained)).json?.['code'], 7);
  assert.equal((await answer({ CNI_COMMAND: 'DEL' }, stdin(), chained)).exitCode, 0);
  const passed = await answer(
    {},
    stdin({ cniVersion: '0.4.0', prevResult: { ips: [{ version: '4', address: '10.1.0.2/24' }] } }),
    chained,
  );
  assert.deepEqual(passed.json?.['ips'], [{ version: '4', address: '10.1.0.2/24' }]);
});

test('parseEnvironment wants what each command needs, and names what is missing', () => {
  for (const [command, names] of [
    ['ADD', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
    ['DEL', ['CNI_CONTAINERID', 'CNI_IFNAME']],
  ] as const)
    for (const name of names)
      assert.throws(() => parseEnvironment({ ...environment, CNI_COMMAND: command, [name]: '' }), {
        code: 4,
        message: new RegExp(name),
      });
  assert.equal(parseEnvironment({ CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'a', CNI_IFNAME: 'b' }).netns, '');
  for (const command of [undefined, 'add', 'toString'])
    assert.throws(() => parseEnvironment({ ...environment, CNI_COMMAND: command }), {
      code: 4,
      message: /CNI_COMMAND/,
    });
  for (const ifName of ['sixteen-bytes-xx', 'a/b', 'a b', 'a:b', '.', '..'])
    assert.throws(() => parseEnvironment({ ...environment, CNI_IFNAME: ifName }), {
      code: 4,
      message: /CNI_IFNAME/,
    });
  for (const id of ['-a', '../a', 'a/b', 'a'.repeat(256)])
    assert.throws(() => parseEnvironment({ ...environment, CNI_CONTAINERID: id }), {
      code: 4,
      message: /CNI_CONTAINERID/,
    });
  assert.deepEqual(parseEnvironment({ CNI_COMMAND: 'GC', CNI_PATH: '/a::/b' }).path, ['/a', '/b']);
});

test('parseCniArgs reads pairs, and refuses unknown names unless told to ignore them', () => {
  assert.deepEqual(
    [...parseCniArgs('A=1;B=x=y;;C=')],
    [
      ['A', '1'],
      ['B', 'x=y'],
      ['C', ''],
    ],
  );
  assert.throws(() => parseCniArgs('A=1;B=2', ['A']), { code: 4, message: /B/ });
  assert.equal(parseCniArgs('IgnoreUnknown=true;B=2', ['A']).get('B'), '2');
  for (const text of ['A', '=1']) assert.throws(() => parseCniArgs(text), { code: 4 });
});

test('delegate runs executables of CNI_PATH, reads their results and passes their errors on', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-delegate-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const install = (name: string, script: string): void => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  install(
    'ipam',
    `grep -q '"type":"x"' && echo '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.9.0.2/24"}]}'`,
  );
  install('full', `echo '{"code":11,"msg":"full","details":"wait"}'; exit 1`);
  install('broken', 'echo oops >&2; exit 3');
  const calling = (type: string) =>
    definePlugin({
      type: 'x',
      add: async ({ delegate }) => ({ ips: (await delegate.run(type))?.ips ?? [] }),
      del: () => {},
    });
  const path = { CNI_PATH: `/nowhere:${directory}` };
  assert.deepEqual((await answer(path, stdin(), calling('ipam'))).json?.['ips'], [
    { address: '10.9.0.2/24' },
  ]);
  const { json } = await answer(path, stdin(), calling('full'));
  assert.deepEqual([json?.['code'], json?.['msg'], json?.['details']], [11, 'full: full', 'wait']);
  assert.match(
    String((await answer(path, stdin(), calling('broken'))).json?.['msg']),
    /broken ended with status 3/,
  );
  for (const missing of ['nobody', '../ipam'])
    assert.equal((await answer(path, stdin(), calling(missing))).json?.['code'], 7);
});
