from __future__ import annotations

from agents.models.agent import Agent, AgentStatus, AgentVersion, OfAgentQuerySet, Runtime
from agents.models.memory import Memory

__all__ = ["Agent", "AgentStatus", "AgentVersion", "Memory", "OfAgentQuerySet", "Runtime"]
