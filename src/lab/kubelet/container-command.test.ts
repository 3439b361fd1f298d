import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerCommand } from './container-command.ts';

const isProgram = (name: string): boolean => name === 'nslookup';
const of = (container: object): ReturnType<typeof containerCommand> =>
  containerCommand({ name: 'c', image: 'x', ...container }, { NAME: 'web' }, isProgram);

test('containerCommand runs a command with its args, expanded', () => {
  assert.deepEqual(of({ command: ['echo', '$(NAME)'], args: ['$(OTHER)'] }), {
    kind: 'isolated',
    command: ['echo', 'web', '$(OTHER)'],
  });
});

test('containerCommand takes args alone for a command when they begin with a program', () => {
  assert.deepEqual(of({ args: ['nslookup', 'db'] }), { kind: 'isolated', command: ['nslookup', 'db'] });
  assert.deepEqual(of({ image: 'curlimages/curl:8', args: ['-s', 'http://web'] }), {
    kind: 'isolated',
    command: ['curl', '-s', 'http://web'],
  });
  const { kind, ...rest } = of({ args: ['--port=80'] });
  assert.equal(kind, 'stand-in');
  assert.match(
    String(Object.values(rest)[0]),
    /^args of container c are for the entrypoint of image x, which is not here/,
  );
});

test('containerCommand opens a shell only for who can type', () => {
  assert.deepEqual(of({ image: 'docker.io/library/busybox:1.36', stdin: true, tty: true }), {
    kind: 'isolated',
    command: ['sh'],
  });
  assert.deepEqual(of({ image: 'busybox' }), { kind: 'stand-in' });
  assert.deepEqual(of({ image: 'constructor', tty: true }), { kind: 'stand-in' });
});
