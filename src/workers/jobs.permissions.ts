// Permissions for the jobs of all users, dead letters and schedules.
import { definePermissions } from '../common/access/permissions.js';

export const JobPermissions = definePermissions({
  read: 'jobs:read',
  replay: 'jobs:replay',
  discard: 'jobs:discard',
  prioritize: 'jobs:prioritize',
});

export const SchedulePermissions = definePermissions({ read: 'schedules:read', run: 'schedules:run' });
