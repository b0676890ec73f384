// Probes for Kubernetes, load balancers and operators. They are public and concern this process only.
import { hostname } from 'node:os';
import { Controller, Get, Header, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { ProcessSettings } from '../shared/config/process.settings.js';
import { AppError } from '../shared/libs/app-error.js';
import { Clock } from '../shared/libs/clock.js';
import { MayBeUnready } from './health-problem.dto.js';
import { HealthService } from './health.service.js';

class AliveDto {
  @ApiProperty({ enum: ['ok'], example: 'ok' })
  status!: 'ok';
}

class HealthDto {
  @ApiProperty({
    enum: ['ok', 'degraded'],
    enumName: 'HealthStatus',
    example: 'ok',
    description: 'degraded: it works, and `details` names what is away',
  })
  status!: 'ok' | 'degraded';

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { database: { status: 'up', responseTime: 1 }, migrations: { status: 'up' } },
  })
  details!: Record<string, unknown>;
}

class FullHealthDto extends HealthDto {
  @ApiProperty({ example: '0.1.0' })
  version!: string;

  @ApiProperty({ example: 'v20.19.0' })
  node!: string;

  @ApiProperty({ example: 12.3, description: 'Seconds since the start' })
  uptime!: number;

  @ApiProperty({ format: 'date-time' })
  timestamp!: Date;
}

class PingDto {
  @ApiProperty({ type: 'integer', example: 4711 })
  pid!: number;

  @ApiProperty({ example: 'api-7d9f' })
  instance!: string;

  @ApiProperty({ example: 12.3, description: 'Seconds since the start' })
  uptime!: number;
}

@ApiTags('Operators')
@Controller({ version: VERSION_NEUTRAL })
export class HealthController {
  constructor(
    private readonly health: HealthService,
    private readonly settings: ProcessSettings,
    private readonly clock: Clock,
  ) {}

  @Get('health/live')
  @Header('Cache-Control', 'no-store')
  @Endpoint({ summary: 'Is the process alive? Asks nothing else', returns: AliveDto, public: true, limit: 'none' })
  live(): AliveDto {
    return { status: 'ok' };
  }

  @Get('health/ready')
  @Header('Cache-Control', 'no-store')
  @MayBeUnready()
  @Endpoint({
    summary: 'May it get traffic? 503 while starting, draining, behind in migrations or without the database',
    returns: HealthDto,
    public: true,
    limit: 'none',
  })
  ready(): Promise<HealthDto> {
    return this.health.checkReady();
  }

  @Get('health/startup')
  @Header('Cache-Control', 'no-store')
  @MayBeUnready()
  @Endpoint({
    summary: 'Has it started? 503 until the database answers with all migrations',
    returns: HealthDto,
    public: true,
    limit: 'none',
  })
  startup(): Promise<HealthDto> {
    return this.health.checkStartup();
  }

  @Get('health')
  @Header('Cache-Control', 'no-store')
  @MayBeUnready()
  @Endpoint({
    summary: 'Everything, with times and versions',
    returns: FullHealthDto,
    public: true,
    limit: 'none',
  })
  async get(): Promise<FullHealthDto> {
    const about = {
      version: this.settings.version,
      node: process.version,
      uptime: process.uptime(),
      timestamp: new Date(this.clock.now()),
    };
    const report = await this.health.checkReady().catch((error: unknown) => {
      if (error instanceof AppError) Object.assign(error.extensions, about); // most useful when something fails
      throw error;
    });
    return { ...report, ...about };
  }

  @Get('ping')
  @Header('Cache-Control', 'no-store')
  @Endpoint({ summary: 'Which process answers?', returns: PingDto, public: true, limit: 'none' })
  ping(): PingDto {
    return { pid: process.pid, instance: hostname(), uptime: process.uptime() };
  }
}
