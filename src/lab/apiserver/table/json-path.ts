/** One step of a path: a field, an index (negative from the end), every item, or the items with a field's value. */
type Step =
  | { readonly field: string }
  | { readonly index: number }
  | { readonly all: true }
  | { readonly where: readonly string[]; readonly equals: string };

/**
 * Reads what a CustomResourceDefinition's column points at: the part of JSONPath used there.
 * - `.spec.host`, `.metadata.labels.app\.kubernetes\.io/name`, `.spec['host']`
 * - `.status.addresses[0].value`, `[*]`, `[-1]`
 * - `.status.conditions[?(@.type=="Ready")].status`
 *
 * Returns every value found, in order; a path that cannot be read finds nothing.
 */
export function readJsonPath(path: string, value: unknown): unknown[] {
  const steps = parseJsonPath(path);
  return steps ? steps.reduce(take, [value]) : [];
}

function take(values: unknown[], step: Step): unknown[] {
  return values.flatMap((value): unknown[] => {
    if ('field' in step) return present(fieldOf(value, step.field));
    if (!Array.isArray(value)) {
      return 'all' in step && typeof value === 'object' && value !== null ? Object.values(value) : [];
    }
    if ('index' in step) return present(value.at(step.index));
    if ('all' in step) return value;
    return value.filter((item) => String(step.where.reduce(fieldOf, item)) === step.equals);
  });
}

function present(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : [value];
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, field)
    ? (value as Record<string, unknown>)[field]
    : undefined;
}

const STEP =
  /\.((?:[^.[\]\\]|\\.)+)|\[(-?\d+)\]|\[(\*)\]|\['([^']+)'\]|\["([^"]+)"\]|\[\?\(\s*@((?:\.[\w-]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*\)\]/y;

function parseJsonPath(path: string): Step[] | undefined {
  let rest = path
    .trim()
    .replace(/^\{(.*)\}$/, '$1')
    .replace(/^\$/, '');
  if (!/^[.[]/.test(rest)) rest = `.${rest}`;
  const steps: Step[] = [];
  for (STEP.lastIndex = 0; STEP.lastIndex < rest.length;) {
    const found = STEP.exec(rest);
    if (!found) return undefined;
    const [, field, index, all, single, double, where, ...literals] = found;
    const name = field?.replaceAll(/\\(.)/g, '$1') ?? single ?? double;
    if (name === '*' || all) steps.push({ all: true });
    else if (name !== undefined) steps.push({ field: name });
    else if (index !== undefined) steps.push({ index: Number(index) });
    else if (where) {
      const equals = literals.find((literal) => literal !== undefined) ?? '';
      steps.push({ where: where.slice(1).split('.'), equals });
    }
  }
  return steps;
}
