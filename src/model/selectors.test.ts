import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import type { LabelSelector } from './objects.ts';
import {
  compileLabelMap,
  compileLabelSelector,
  formatSelector,
  labelValueProblem,
  matchesSelector,
  parseFieldSelector,
  parseLabelSelector,
  qualifiedNameProblem,
  SelectorSyntaxError,
} from './selectors.ts';

const web = { app: 'web', tier: 'front', generation: '7', 'example.com/zone': '' };

test('compileLabelSelector refuses null where a string belongs', () => {
  const selector = JSON.parse(
    '{"matchExpressions":[{"key":null,"operator":"In","values":[null]}]}',
  ) as LabelSelector;
  assert.throws(() => compileLabelSelector(selector), /key: Invalid value: ""/);
});

test('parseLabelSelector: every operator, against one set of labels', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web , tier != back', true],
    ['app!=web', false],
    ['missing!=web', true],
    ['app in (api, web)', true],
    ['app in (api)', false],
    ['app notin (api)', true],
    ['missing notin (a,b)', true],
    ['app', true],
    ['!app', false],
    ['!missing', true],
    ['generation>6', true],
    ['generation<7', false],
    ['app>1', false],
    ['example.com/zone=', true],
    ['example.com/zone in (,a)', true],
    ['app=web,tier in (front,back),!canary', true],
  ];
  for (const [text, expected] of cases)
    assert.equal(matchesSelector(parseLabelSelector(text), web), expected, text);
});

test('parseLabelSelector refuses what it cannot read', () => {
  for (const text of [
    '=',
    'app=web,',
    ',app',
    'app in',
    'app in (',
    'app in (a',
    'app in (a b)',
    '!',
    '!!app',
    'app web',
    'a b=c',
    'app=a=b',
    'app>x',
    '-app=web',
    'app=-web',
    'a/b/c=d',
    'app in a',
  ]) {
    assert.throws(() => parseLabelSelector(text), SelectorSyntaxError, text);
  }
});

test('formatSelector and parseLabelSelector are inverse', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/).filter((text) => text !== 'in' && text !== 'notin');
  const requirement = fc.oneof(
    fc.tuple(
      name,
      fc.constantFrom('In' as const, 'NotIn' as const),
      fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
    ),
    fc.tuple(name, fc.constantFrom('Exists' as const, 'DoesNotExist' as const), fc.constant<string[]>([])),
  );
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), (list) => {
      const selector = list.map(([key, operator, values]) => ({ key, operator, values }));
      assert.deepEqual(parseLabelSelector(formatSelector(selector)), selector);
    }),
  );
});

test('compileLabelSelector: absent selects nothing, empty everything', () => {
  assert.equal(compileLabelSelector(undefined), undefined);
  assert.deepEqual(compileLabelSelector({}), []);
  assert.equal(compileLabelMap(undefined), undefined);
});

test('compileLabelSelector: matchLabels and matchExpressions all hold', () => {
  const selector = compileLabelSelector({
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['front', 'back'] },
      { key: 'tier', operator: 'NotIn', values: ['back'] },
      { key: 'generation', operator: 'Exists' },
      { key: 'canary', operator: 'DoesNotExist' },
    ],
  });
  assert.ok(selector && matchesSelector(selector, web));
  assert.ok(selector && !matchesSelector(selector, { ...web, canary: 'yes' }));
  assert.ok(selector && !matchesSelector(selector, undefined));
});

test('compileLabelSelector fails closed', () => {
  assert.throws(
    () => compileLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Near' }] }),
    /not a valid label selector operator/,
  );
  assert.throws(
    () => compileLabelSelector({ matchExpressions: [{ key: 'a', operator: 'In', values: [] }] }),
    SelectorSyntaxError,
  );
  assert.throws(
    () => compileLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Exists', values: ['x'] }] }),
    SelectorSyntaxError,
  );
  assert.throws(() => compileLabelSelector({ matchLabels: { 'bad key': 'x' } }), SelectorSyntaxError);
});

test('parseFieldSelector reads terms and escapes', () => {
  assert.deepEqual(parseFieldSelector('spec.nodeName=node-1,status.phase!=Running,metadata.name==a'), [
    { field: 'spec.nodeName', equal: true, value: 'node-1' },
    { field: 'status.phase', equal: false, value: 'Running' },
    { field: 'metadata.name', equal: true, value: 'a' },
  ]);
  assert.deepEqual(parseFieldSelector(String.raw`a=x\,y\=z`), [{ field: 'a', equal: true, value: 'x,y=z' }]);
  assert.deepEqual(parseFieldSelector('spec.nodeName='), [
    { field: 'spec.nodeName', equal: true, value: '' },
  ]);
  assert.throws(() => parseFieldSelector('spec.nodeName'), SelectorSyntaxError);
});

test('qualifiedNameProblem and labelValueProblem', () => {
  for (const key of ['a', 'A-b_c.d', 'example.com/a', 'kubernetes.io/metadata.name'])
    assert.equal(qualifiedNameProblem(key), undefined, key);
  for (const key of ['', '-a', 'a/', '/a', 'A.com/b', 'a b', 'a/b/c', 'x'.repeat(64)])
    assert.ok(qualifiedNameProblem(key), key);
  for (const value of ['', 'a', 'A_1.x']) assert.equal(labelValueProblem(value), undefined, value);
  for (const value of ['-a', 'a b', 'x'.repeat(64), 'ü']) assert.ok(labelValueProblem(value), value);
});
