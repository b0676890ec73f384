// Accepts clean input of simple DTOs by their class-validator rules, without the work that class-transformer and class-validator do for each request.
import type { Type } from '@nestjs/common';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { TransformationType } from 'class-transformer';
import { getMetadataStorage, type ValidatorConstraintInterface } from 'class-validator';

interface Rule {
  validator: ValidatorConstraintInterface;
  constraints: unknown[];
}

interface Member {
  name: string;
  transforms: Array<(parameters: object) => unknown>;
  /** The rules count only when all conditions are true. */
  conditions: Array<(object: object, value: unknown) => boolean>;
  rules: Rule[];
}

/** Null: the class has lists, objects or asynchronous rules. */
type Plan = ReadonlyMap<string, Member> | null;

const plans = new Map<Type, Plan>();

/**
 * Returns the instance that class-validator would accept. Null: class-validator must decide, because a rule refuses a value, or
 * because the input or its class has lists or objects. So it never refuses, and its messages are made in one place.
 */
export function acceptClean(input: unknown, dto: Type): object | null {
  const plan = planOf(dto);
  if (!plan || typeof input !== 'object' || input === null || Array.isArray(input)) return null;
  const given = input as Record<string, unknown>;
  const instance = new dto() as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    const member = plan.get(key);
    let value = given[key];
    if (!member || (typeof value === 'object' && value !== null)) return null;
    for (const transform of member.transforms)
      value = transform({ value, key, obj: given, type: TransformationType.PLAIN_TO_CLASS, options: {} });
    instance[key] = value;
  }
  for (const member of plan.values()) if (!isAccepted(member, instance, dto)) return null;
  return instance;
}

function isAccepted({ name, conditions, rules }: Member, object: Record<string, unknown>, dto: Type): boolean {
  const value = object[name];
  for (const condition of conditions) if (!condition(object, value)) return true;
  for (const { validator, constraints } of rules) {
    const isValid = validator.validate(value, { targetName: dto.name, property: name, object, value, constraints });
    if (isValid !== true) return false;
  }
  return true;
}

function planOf(dto: Type): Plan {
  let plan = plans.get(dto);
  if (plan === undefined) plans.set(dto, (plan = makePlan(dto)));
  return plan;
}

function makePlan(dto: Type): Plan {
  const storage = getMetadataStorage();
  const members = new Map<string, Member>();
  for (const metadata of storage.getTargetValidationMetadatas(dto, '', false, false)) {
    const { type, propertyName: name, constraints, each, groups, validateIf, constraintCls } = metadata;
    if (each || validateIf || (Array.isArray(groups) && groups.length > 0)) return null; // often undefined
    const member = members.get(name) ?? { name, transforms: transformsOf(dto, name), conditions: [], rules: [] };
    members.set(name, member);
    const values = constraints as unknown[];
    if (type === 'conditionalValidation') member.conditions.push(values[0] as Member['conditions'][number]);
    else if (type !== 'customValidation') return null;
    else
      for (const found of storage.getTargetValidatorConstraints(constraintCls)) {
        if (found.async) return null;
        member.rules.push({ validator: found.instance, constraints: values });
      }
  }
  return members.size > 0 ? members : null;
}

function transformsOf(dto: Type, name: string): Member['transforms'] {
  return defaultMetadataStorage
    .findTransformMetadatas(dto, name, TransformationType.PLAIN_TO_CLASS)
    .map(({ transformFn }) => transformFn as Member['transforms'][number]);
}
