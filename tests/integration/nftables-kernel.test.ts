import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createNetns } from '../../src/kernel/netns.ts';
import { testNftables } from '../../src/kernel/nftables/nftables-conformance.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
testNftables('openNftables', () => openNftables({ netns: createNetns() }));
