// Execution plans of PostgreSQL from EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON), and the checks on them.
import type pg from 'pg';
import type { Statement } from '../stores/repositories.js';

export interface PlanNode {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

/** Executes the statement and returns its plan. */
export async function explain(client: pg.Client, { text, values }: Statement): Promise<PlanNode> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
    values,
  );
  return planOf(rows);
}

/** Returns the generic plan, made without the values, which a named statement uses from its sixth execution on. */
export async function explainGeneric(client: pg.Client, { text, values }: Statement): Promise<PlanNode> {
  const literal = (value: unknown): string => {
    const text = Array.isArray(value) ? `{${value.join()}}` : String(value);
    return value === null ? 'NULL' : client.escapeLiteral(text);
  };
  const given = values.map(literal).join();
  await client.query(`SET plan_cache_mode = force_generic_plan; PREPARE explained AS ${text}`);
  const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained(${given})`);
  await client.query('DEALLOCATE explained; RESET plan_cache_mode');
  return planOf(rows);
}

function planOf(rows: unknown[]): PlanNode {
  return (rows as Array<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>)[0]!['QUERY PLAN'][0].Plan;
}

export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

const isScan = (node: PlanNode): boolean => node['Node Type'].endsWith('Scan');

/** Returns the number of rows that scans read, including discarded rows. */
export function rowsReadBy(plan: PlanNode): number {
  return nodesOf(plan)
    .filter(isScan)
    .map((node) => {
      const dropped = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
      return Math.round((node['Actual Rows'] + dropped) * node['Actual Loops']); // the numbers are averages over the loops
    })
    .reduce((sum, rows) => sum + rows, 0);
}

/** Returns the number of pages of 8 KiB, from memory or disk. */
export function buffersOf(plan: PlanNode): number {
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

/** Returns the plan nodes whose cost grows with the table; empty for index scans of few rows. */
export function faultsOf(plan: PlanNode, { indexes, rows }: { indexes: string[]; rows: number }): string[] {
  const faults: string[] = [];
  for (const node of nodesOf(plan)) {
    const type = node['Node Type'];
    if (isScan(node) && type !== 'Index Scan') faults.push(`${type} on ${node['Relation Name'] ?? node['Index Name']}`);
    if (type.includes('Sort')) faults.push(type);
  }
  const used = nodesOf(plan)
    .filter(isScan)
    .map((node) => node['Index Name'] ?? 'none');
  if (used.join() !== indexes.join()) faults.push(`uses ${used.join()} instead of ${indexes.join()}`);
  const read = rowsReadBy(plan);
  if (read > rows) faults.push(`reads ${read} rows instead of ${rows}`);
  return faults;
}
