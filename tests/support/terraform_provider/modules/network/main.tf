# A network of this machine: a folder, with a folder for each subnet of its range.

terraform {
  required_providers {
    workshop = { source = "example.test/outlast/workshop" }
  }
}

variable "name" {
  type        = string
  description = "What the network is called."
}

variable "root" {
  type        = string
  description = "The folder that networks are in."
}

variable "cidr" {
  type        = string
  description = "The range of its addresses."
  default     = "10.0.0.0/16"
  validation {
    condition     = can(cidrhost(var.cidr, 0))
    error_message = "The range of a network is like 10.0.0.0/16."
  }
}

variable "region" {
  type        = string
  description = "Where it is."
  default     = "here"
}

variable "subnets" {
  type        = number
  description = "How many subnets it has."
  default     = 2
}

resource "workshop_folder" "network" {
  path  = "${var.root}/${var.name}"
  files = { "network.json" = jsonencode({ cidr = var.cidr, region = var.region }) }
}

resource "workshop_folder" "subnet" {
  count = var.subnets
  path  = "${workshop_folder.network.path}/subnet-${count.index}"
  files = { "cidr" = cidrsubnet(var.cidr, 8, count.index) }
}

output "path" {
  description = "Where the network is."
  value       = workshop_folder.network.path
}

output "subnets" {
  description = "The ranges of its subnets."
  value       = [for one in workshop_folder.subnet : one.files["cidr"]]
}
