import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResolvConf } from './resolv-conf.ts';

test('parseResolvConf reads what resolv.conf(5) has', () => {
  const text = '# comment\nnameserver 192.0.2.1\nnameserver  2001:db8::1\n; more\ndomain a.test\n';
  assert.deepEqual(parseResolvConf(`${text}search x.test y.test\noptions ndots:5 rotate\noptions edns0`), {
    nameservers: ['192.0.2.1', '2001:db8::1'],
    domain: 'a.test',
    search: ['x.test', 'y.test'],
    options: ['ndots:5', 'rotate', 'edns0'],
  });
  assert.deepEqual(parseResolvConf('nameserver\nunknown thing\n'), {});
});
