# A cluster of this machine: a folder with a database, and a process for each node.

terraform {
  required_providers {
    workshop = { source = "example.test/outlast/workshop" }
  }
}

variable "name" {
  type        = string
  description = "What the cluster is called."
}

variable "root" {
  type        = string
  description = "The folder that clusters are in."
}

variable "process_host" {
  type        = string
  description = "The socket of the host that runs the nodes."
}

variable "network_id" {
  type        = string
  description = "The network that it belongs to."
  default     = ""
}

variable "network_outputs" {
  type        = any
  description = "What is told of that network."
  default     = {}
}

variable "region" {
  type        = string
  description = "Where it is."
  default     = "here"
}

variable "nodes" {
  type        = number
  description = "How many nodes it has."
  default     = 2
}

variable "password" {
  type        = string
  description = "What its nodes know each other by."
  default     = ""
  sensitive   = true
}

provider "workshop" {
  process_host = var.process_host
}

resource "workshop_folder" "cluster" {
  path = "${var.root}/${var.name}"
  files = {
    "cluster.json" = jsonencode({
      network_id = var.network_id
      subnets    = try(var.network_outputs.subnets, [])
      region     = var.region
    })
  }
}

resource "workshop_database" "catalogue" {
  path   = "${workshop_folder.cluster.path}/catalogue.sqlite"
  tables = ["nodes", "schemas"]
}

resource "workshop_slow" "key" {
  path   = "${workshop_folder.cluster.path}/key"
  secret = var.password
}

resource "workshop_process" "node" {
  count   = var.nodes
  name    = "${var.name}-${count.index}"
  command = ["sleep", "600"]

  depends_on = [workshop_database.catalogue, workshop_slow.key]
}

output "nodes" {
  description = "The ids of the processes."
  value       = [for one in workshop_process.node : one.pid]
}

output "password" {
  value     = var.password
  sensitive = true
}
