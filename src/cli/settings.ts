import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { LabSettings } from '../lab/options.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';

const types = {
  name: 'string',
  nodes: 'number',
  link: 'string',
  serviceBackend: 'string',
  mtu: 'number',
  ipFamily: 'string',
  cidr: 'string',
  nodeCidrMaskSize: 'number',
  serviceCidr: 'string',
  clusterDomain: 'string',
} as const satisfies Record<keyof LabSettings, 'string' | 'number'>;

/** The settings of a `--config` file. @throws PodnetError naming the file and the setting */
export function readSettings(file: string): LabSettings {
  const refuse = (message: string, where: string, fix: string): never => {
    throw new PodnetError(message, { code: 'invalid-config', where, fix });
  };
  let value: unknown;
  try {
    value = parse(readFileSync(file, 'utf8'), { version: '1.1' });
  } catch (error) {
    return refuse(
      `Cannot read the configuration: ${errorMessage(error)}`,
      file,
      'Give --config a YAML file.',
    );
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    return refuse('The configuration is not a map of settings', file, 'Write it as in "nodes: 3".');
  }
  for (const [key, setting] of Object.entries(value)) {
    if (!Object.hasOwn(types, key)) {
      refuse(
        `There is no setting "${key}"`,
        `${file}, ${key}`,
        `Settings are: ${Object.keys(types).join(', ')}.`,
      );
    }
    const type = types[key as keyof typeof types];
    if (typeof setting !== type) {
      refuse(`${key} must be a ${type}`, `${file}, ${key}`, `It is ${JSON.stringify(setting)} now.`);
    }
  }
  return value;
}
